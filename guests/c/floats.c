/* printf and scanf of doubles and long doubles: x87 and SSE arithmetic as the libc uses them. */
#include "guest.h"
#include <fenv.h>
#include <float.h>
#include <math.h>

int main(void) {
  static const double d[] = {0.0,     -0.0,   1.0,      0.1,     1.0 / 3, 2.5,      1e22,     1e23,    123456789.125,
                             DBL_MAX, DBL_MIN, 4.9e-324, DBL_EPSILON, 1e-10, 6.02214076e23, -1e100, 9007199254740993.0};
  for (size_t i = 0; i < sizeof d / sizeof *d; i++)
    printf("%g %.17g %e %.3f %a | %10.4g|%-12.2e|%+g\n", d[i], d[i], d[i], fabs(d[i]) < 1e15 ? d[i] : 1.0, d[i], d[i],
           d[i], d[i]);
  static const long double ld[] = {0.0L, 1.0L / 3, 0.1L, LDBL_MAX, LDBL_MIN, LDBL_EPSILON, 1e4000L, 1e-4900L, 3.141592653589793238462643383279L, -2.5L, 18446744073709551615.0L};
  for (size_t i = 0; i < sizeof ld / sizeof *ld; i++) printf("%Lg %.21Lg %.5Le %La\n", ld[i], ld[i], ld[i], ld[i]);
  printf("%f %f %g %g\n", (double)INFINITY, -(double)INFINITY, (double)NAN, strtod("nan", NULL));
  printf("%.0f %.0f %.0f %.0f %.1f %.2f\n", 0.5, 1.5, 2.5, -0.5, 0.25, 1.005);
  printf("%.60f\n", 0.1);
  printf("%.2Lf\n", 123456789012345678.0L);

  static const char *text[] = {"3.25", "1e308", "1e309", "-1e-320", "0x1.8p3", "123456789012345678901234567890", ".5e-3x", "inf", "2.2250738585072011e-308"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
    char *end;
    errno = 0;
    double v = strtod(text[i], &end);
    int e = errno;
    long double lv = strtold(text[i], NULL);
    printf("%s -> %a errno %d rest '%s' long %La float %a\n", text[i], v, e, end, lv, (double)strtof(text[i], NULL));
  }

  static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    volatile double one = 1, three = 3, big = 1e308, half = 2.5;
    volatile float fone = 1, fthree = 3;
    volatile long double lone = 1, lthree = 3;
    printf("mode %d: %a %a %La rint %g lrint %ld big %a %d\n", i, one / three, (double)(fone / fthree), lone / lthree,
           rint(half), lrint(-half), big * 10, fegetround() == modes[i]);
  }
  fesetround(FE_TONEAREST);
  feclearexcept(FE_ALL_EXCEPT);
  volatile double zero = 0, x = 1;
  x = x / zero;
  printf("divbyzero %d\n", !!fetestexcept(FE_DIVBYZERO));
  x = zero / zero;
  printf("invalid %d\n", !!fetestexcept(FE_INVALID));
  x = DBL_MAX;
  x = x * x;
  printf("overflow %d inexact %d underflow %d\n", !!fetestexcept(FE_OVERFLOW), !!fetestexcept(FE_INEXACT), !!fetestexcept(FE_UNDERFLOW));

  volatile double a = 0.7, b = 2.3;
  volatile long double la = 0.7L, lb = 2.3L;
  printf("sin %.15g cos %.15g exp %.15g log %.15g pow %.15g atan2 %.15g\n", sin(a), cos(a), exp(a), log(b), pow(a, b), atan2(a, b));
  printf("sqrt %a fmod %a hypot %a cbrt %.15g floor %g ceil %g trunc %g round %g\n", sqrt(b), fmod(b, a), hypot(a, b), cbrt(b), floor(-b), ceil(b), trunc(-b), round(b));
  printf("sinl %.15Lg expl %.15Lg logl %.15Lg powl %.15Lg sqrtl %La fmodl %La\n", sinl(la), expl(la), logl(lb), powl(la, lb), sqrtl(lb), fmodl(lb, la));
  int e;
  printf("frexp %a %d ldexp %a modf %g nextafter %a fma %a copysign %g\n", frexp(b, &(int){0}), (frexp(b, &e), e), ldexp(a, 10), modf(b, &(double){0}), nextafter(a, 1), fma(a, b, 1e-17), copysign(a, -0.0));
  printf("conversions %d %ld %u %lu %d\n", (int)b, (long)(b * 1e15), (unsigned)(b * 1e9), (unsigned long)(b * 4e18), (int)(float)a);
  return 0;
}
