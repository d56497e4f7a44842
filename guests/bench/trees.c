/* Binary trees made with malloc, walked and freed, N rounds of all depths to 14: trees [ROUNDS]. */
#include <stdio.h>
#include <stdlib.h>

struct node {
  struct node *left, *right;
};

static struct node *grow(int depth) {
  struct node *n = malloc(sizeof *n);
  if (!n) abort();
  n->left = depth ? grow(depth - 1) : NULL;
  n->right = depth ? grow(depth - 1) : NULL;
  return n;
}

static long count(const struct node *n) { return n->left ? 1 + count(n->left) + count(n->right) : 1; }

static void fell(struct node *n) {
  if (n->left) {
    fell(n->left);
    fell(n->right);
  }
  free(n);
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 1;
  struct node *lasting = grow(14); /* keeps the heap from being one hole */
  long nodes = 0;
  for (long r = 0; r < rounds; r++)
    for (int depth = 4; depth <= 14; depth += 2)
      for (int i = 0; i < 1 << (14 - depth); i++) {
        struct node *tree = grow(depth);
        nodes += count(tree);
        fell(tree);
      }
  printf("%ld nodes, %ld lasting\n", nodes, count(lasting));
  fell(lasting);
  return 0;
}
