#include "inference-server/model/pickle_reader.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tests/inference-server/support/pictures.hpp"

using namespace imageclassifier;
using model::PickleKind;

namespace {

std::string text_of(const std::string& text) {
  return "X" + std::string(1, static_cast<char>(text.size())) + std::string(3, '\0') + text;
}

Error error_of(const std::string& pickle) {
  const auto bytes = test::to_bytes(pickle);
  const auto read = model::read_pickle(bytes);
  INFO(pickle);
  REQUIRE_FALSE(read);
  return read.error();
}

const std::string kProtocol = "\x80\x02";

}  // namespace

TEST_CASE("plain containers are read, values that are met again too") {
  const auto bytes = test::to_bytes(kProtocol + "}(" + text_of("k") + "q\x01]h\x01" +
                                    "aNJ\xFF\xFF\xFF\xFF"
                                    "u.rest");
  const auto read = model::read_pickle(bytes);
  if (!read) FAIL(read.error().describe());
  const auto& root = read->at(read->root);
  REQUIRE(root.kind == PickleKind::kDict);
  REQUIRE(root.items.size() == 4);
  CHECK(read->at(root.items[0]).text == "k");
  const auto& list = read->at(root.items[1]);
  CHECK(list.kind == PickleKind::kList);
  CHECK(list.items == std::vector<std::uint32_t>{root.items[0]});
  CHECK(read->at(root.items[2]).kind == PickleKind::kNone);
  CHECK(read->at(root.items[3]).number == -1);
  CHECK(bytes.size() - read->size == 4);
}

TEST_CASE("integers of every width keep their value and sign") {
  const std::vector<std::pair<std::string, std::int64_t>> cases{
      {"K\xFF", 255},
      {"M\xFF\xFF", 65535},
      {std::string("J\0\0\0\x80", 5), -2147483648LL},
      {std::string("\x8a\0", 2), 0},
      {"\x8a\x01\xFF", -1},
      {std::string("\x8a\x05\0\0\0\0\x01", 7), 4294967296LL},
      {std::string("\x8a\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10), INT64_MAX}};
  for (const auto& [opcode, value] : cases) {
    const auto bytes = test::to_bytes(opcode + ".");
    const auto read = model::read_pickle(bytes);
    REQUIRE(read);
    CHECK(read->at(read->root).number == value);
  }
}

TEST_CASE("any name but those of tensors is refused, shown without control characters and cut") {
  for (const char* name : {"os\nsystem\n", "builtins\neval\n", "torch\nload\n", "torch._utils\n_rebuild_tensor\n",
                           "collections\nOrderedDict \n", "torch.nn\nModule\n"}) {
    CHECK(error_of(kProtocol + "c" + name + ")R.").code == ErrorCode::kUnsupported);
  }
  CHECK_THAT(error_of("cos\nsystem\n)R.").message, Catch::Contains("os.system"));
  const Error hostile = error_of("c\x1b[31mred\n" + std::string(100'000, 'x') + "\n.");
  CHECK(hostile.message.size() < 500);
  CHECK(hostile.message.find('\x1b') == std::string::npos);
}

TEST_CASE("opcodes that no tensors need are refused by number") {
  // INST, OBJ, NEWOBJ, NEWOBJ_EX, STACK_GLOBAL, EXT1, PERSID, DUP, POP, STRING, LONG4
  for (const char opcode : {'i', 'o', '\x81', '\x92', '\x93', '\x82', 'P', '2', '0', 'S', '\x8b'}) {
    const Error error = error_of(kProtocol + opcode + "a\nb\n.");
    CHECK(error.code == ErrorCode::kUnsupported);
    CHECK_THAT(error.message, Catch::Contains("opcode 0x"));
  }
  CHECK_THAT(error_of("\x80\x04.").message, Catch::Contains("protocol 4"));
}

TEST_CASE("a malformed pickle is refused") {
  for (const std::string& pickle : std::vector<std::string>{"",
                                                            ".",
                                                            "N",
                                                            "NN.",
                                                            "(.",
                                                            "(N.",
                                                            "t.",
                                                            "a.",
                                                            "s.",
                                                            "u.",
                                                            "e.",
                                                            "R.",
                                                            "b.",
                                                            "Q.",
                                                            "h\x01.",
                                                            "q\x01.",
                                                            "j\1",
                                                            "]Ns.",
                                                            "}Na.",
                                                            "}(Nu.",
                                                            "NNs.",
                                                            "N)R.",
                                                            "(N\x85",
                                                            "(\x85.",
                                                            "N(\x85.",
                                                            "]N(b.",
                                                            "NNb.",
                                                            "NQ.",
                                                            "K",
                                                            "M1",
                                                            "J123",
                                                            "X\1",
                                                            "X\xFF\xFF\xFF\x7F.",
                                                            "cos",
                                                            "cos\n",
                                                            "\x8a\x09"
                                                            "123456789.",
                                                            "\x8a\x04"
                                                            "1",
                                                            "G123",
                                                            "((((((((ttt.",
                                                            "}}b}R.",
                                                            "ccollections\nOrderedDict\n(NtR."}) {
    CHECK(error_of(pickle).code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a pickle can neither fill the memory nor the stack") {
  CHECK(error_of(std::string(1'100'000, 'N')).code == ErrorCode::kTooLarge);
  CHECK(error_of(std::string(17'000'000, '(')).code == ErrorCode::kTooLarge);
  std::string nested = "N";
  for (int i = 0; i < 500'000; ++i) nested += "\x85";
  CHECK(model::read_pickle(test::to_bytes(nested + ".")));
  CHECK(
      model::read_pickle(test::to_bytes("]q\x01h\x01"
                                        "a.")));  // a list that holds itself
  // Arguments are copied when something is called with them; a tuple of many may be used again and again.
  std::string many = "(";
  for (int i = 0; i < 1000; ++i) many += "N";
  CHECK(error_of("ctorch._utils\n_rebuild_tensor_v2\n" + many + "tR.").code == ErrorCode::kInvalidArgument);
  CHECK(error_of(many + "tQ.").code == ErrorCode::kInvalidArgument);
}
