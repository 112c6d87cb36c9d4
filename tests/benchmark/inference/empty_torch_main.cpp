// What starting and LibTorch alone take: linked to it, not using it.
int main() {
  return 0;
}
