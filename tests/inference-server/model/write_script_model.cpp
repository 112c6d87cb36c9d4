// Writes a TorchScript program for tests: write_script_model FILE BODY
// BODY is that of `def forward(self, x)`, one line.
#include <torch/csrc/jit/api/module.h>

#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  torch::jit::Module module("Classifier");
  module.define(std::string("def forward(self, x):\n  ") + argv[2] + "\n");
  module.save(argv[1]);
  return 0;
}
