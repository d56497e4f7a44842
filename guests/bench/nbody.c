/* Sun and outer planets as points under gravity, symplectic Euler in doubles, N thousand steps: nbody [THOUSANDS]. */
#include "bare.h"

#define BODIES 5
#define DAYS 365.24
#define SOLAR_MASS (4 * 3.141592653589793 * 3.141592653589793)

/* Positions in astronomical units, velocities in these a year, masses against the sun's times 4 pi squared. */
static struct body {
  double x[3], v[3], mass;
} bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, SOLAR_MASS},
    {{4.84143144246472090, -1.16032004402742839, -0.103622044471123109},
     {0.00166007664274403694 * DAYS, 0.00769901118419740425 * DAYS, -0.0000690460016972063023 * DAYS},
     0.000954791938424326609 * SOLAR_MASS},
    {{8.34336671824457987, 4.12479856412430479, -0.403523417114321381},
     {-0.00276742510726411021 * DAYS, 0.00499852801234917238 * DAYS, 0.0000230417297573763929 * DAYS},
     0.000285885980666130812 * SOLAR_MASS},
    {{12.8943695621391310, -15.1111514016986312, -0.223307578892655734},
     {0.00296460137564761618 * DAYS, 0.00237847173959480950 * DAYS, -0.0000296589568540237556 * DAYS},
     0.0000436624404335156298 * SOLAR_MASS},
    {{15.3796971148509165, -25.9193146099879641, 0.179258772950371181},
     {0.00268067772490389322 * DAYS, 0.00162824170038242295 * DAYS, -0.0000951592254519715870 * DAYS},
     0.0000515138902046611451 * SOLAR_MASS},
};

static double root(double x) {
  double r;
#if defined(__x86_64__)
  __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(x));
#else
  __asm__("fsqrt %d0, %d1" : "=w"(r) : "w"(x));
#endif
  return r;
}

static void step(double dt) {
  for (struct body *a = bodies; a < bodies + BODIES; a++)
    for (struct body *b = a + 1; b < bodies + BODIES; b++) {
      double d[3], square = 0;
      for (int k = 0; k < 3; k++) {
        d[k] = a->x[k] - b->x[k];
        square += d[k] * d[k];
      }
      double pull = dt / (square * root(square));
      for (int k = 0; k < 3; k++) {
        a->v[k] -= d[k] * b->mass * pull;
        b->v[k] += d[k] * a->mass * pull;
      }
    }
  for (struct body *a = bodies; a < bodies + BODIES; a++)
    for (int k = 0; k < 3; k++) a->x[k] += dt * a->v[k];
}

static double energy(void) {
  double sum = 0;
  for (struct body *a = bodies; a < bodies + BODIES; a++) {
    for (int k = 0; k < 3; k++) sum += a->mass * a->v[k] * a->v[k] / 2;
    for (struct body *b = a + 1; b < bodies + BODIES; b++) {
      double square = 0;
      for (int k = 0; k < 3; k++) square += (a->x[k] - b->x[k]) * (a->x[k] - b->x[k]);
      sum -= a->mass * b->mass / root(square);
    }
  }
  return sum;
}

int bare_main(int argc, char **argv) {
  unsigned long steps = (argc > 1 ? parse(argv[1]) : 1) * 1000;
  for (int k = 0; k < 3; k++) {
    double momentum = 0;
    for (int i = 1; i < BODIES; i++) momentum += bodies[i].v[k] * bodies[i].mass;
    bodies[0].v[k] = -momentum / SOLAR_MASS;
  }
  for (unsigned long i = 0; i < steps; i++) step(0.01);
  put_number("energy -", (uint64_t)(-energy() * 1e9), " e-9\n");
  return 0;
}
