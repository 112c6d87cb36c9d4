#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/log.hpp"
#include "common/result.hpp"
#include "inference-server/model/labels.hpp"

namespace imageclassifier::app {

/// Where the model is and how it is run; shared by `serve` and `classify`.
struct ModelOptions {
  std::string model;               ///< --model, INFERENCE_MODEL: a .safetensors or .pth file
  std::string sha256;              ///< --model-sha256: 64 lower-case hex digits; empty: not checked
  std::string architecture;        ///< --architecture: refuse another network; empty: whatever the file holds
  std::string name;                ///< --model-name; empty: the architecture
  std::string labels;              ///< --labels: a file, see model::parse_labels; empty: the model's own
  std::string precision = "auto";  ///< --precision: auto (the fastest that proves itself), float32, bfloat16 or int8
  std::string engine = "auto";     ///< --engine: auto (the fastest that proves itself), onednn or libtorch
  bool allow_torchscript = false;  ///< --allow-torchscript
  std::string preprocessing = "auto";         ///< --preprocessing: auto (the model's own), imagenet-v1 or imagenet-v2
  int threads = 0;                            ///< --threads; 0: the cores of the cgroup's quota
  int lanes = 1;                              ///< --lanes of `serve`, which share the threads
  int top_k = 5;                              ///< --top-k, 1..100
  std::uint64_t max_image_pixels = 50000000;  ///< --max-image-pixels
  std::uint64_t max_image_memory = 0;  ///< --max-image-memory, bytes for decoding one picture; 0: see picture_memory()
};

struct ServeOptions {
  ModelOptions model;
  std::string listen = "0.0.0.0:8080";                   ///< --listen ADDRESS:PORT, port 0: any
  std::uint64_t max_upload_bytes = 10'485'760;           ///< --max-upload-bytes, one request's body
  double request_timeout = 10;                           ///< --request-timeout, seconds
  std::size_t queue_depth = 64;                          ///< --queue-depth, pictures
  double drain_delay = 5;                                ///< --drain-delay, seconds: still serving after SIGTERM
  double exit_timeout = 30;                              ///< --exit-timeout, seconds for what is in flight
  std::string auth_basic_file;                           ///< --auth-basic-file; empty: everyone is served
  std::string auth_bearer_file;                          ///< --auth-bearer-file; as well as, or instead of, the other
  std::vector<std::string> cors_origins;                 ///< --cors-origin; empty: pages of no other origin
  std::string admin_listen;                              ///< --admin-listen ADDRESS:PORT; empty: no admin port
  std::string admin_token_file;                          ///< --admin-token-file; needed beyond this machine
  std::string tls_certificate;                           ///< --tls-certificate, PEM chain; empty: plain HTTP
  std::string tls_key;                                   ///< --tls-key, PEM
  std::string self_test_image;                           ///< --self-test-image, a picture file; empty: no self-test
  std::string self_test_label;                           ///< --self-test-label, what it must be taken for
  double self_test_minimum_score = 0.5;                  ///< --self-test-minimum-score, 0..1
  bool upload_page = true;                               ///< --upload-page
  std::string termination_log = "/dev/termination-log";  ///< --termination-log; written only if it exists
  std::string effective;  ///< all of this as a configuration file, with where each value came from
};

struct ClassifyFilesOptions {
  ModelOptions model;
  std::vector<std::string> files;
  bool json = false;
};

struct FetchModelOptions {
  std::string url;  ///< empty: the official ResNet101 weights
  std::string directory = ".";
  std::string name;    ///< of the file in the folder; empty: the URL's
  std::string sha256;  ///< must be given with a URL
  std::string ca_file;
  std::uint64_t max_bytes = 2'000'000'000;
  int timeout = 3600;  ///< seconds
  int attempts = 5;    ///< requests, when the network or the server fails
  std::string termination_log = "/dev/termination-log";
};

struct ConvertModelOptions {
  std::string input;
  std::string output;
  std::string architecture;
  std::string weights;  ///< V1, V2 or empty
  std::string labels;   ///< file
};

struct FitModelOptions {
  std::string images;
  std::string model;  ///< backbone
  std::string output;
  double holdout = 0.2;
  std::uint64_t seed = 1;
  int threads = 0;
};

struct MakeDemoModelOptions {
  std::string output;
  std::string architecture = "resnet101";
  std::uint64_t seed = 1;
  int pictures_per_class = 30;
  bool shuffle_labels = false;
  int threads = 0;
};

struct CalibrateOptions {
  std::string model;
  std::string images;  ///< a folder, with folders inside
  std::string output;
  int limit = 1000;  ///< pictures
  double least_agreement = 0.9;
  int threads = 0;
};

struct DrawPicturesOptions {
  std::string output;
  std::string set = "held-out";  ///< "fitting" or "held-out"
  std::uint64_t seed = 1;
  int per_class = 10;
};

enum class Command { kServe, kClassify, kFetchModel, kConvert, kFit, kMakeDemoModel, kCalibrate, kDrawPictures, kNone };

/// A variable of the environment that looks like one of this program's.
struct UnknownVariable {
  std::string name;
  std::string nearest;  ///< what was probably meant; empty: nothing comes near
};

struct CommandLine {
  Command command = Command::kNone;
  log::Level log_level = log::Level::kInfo;
  ServeOptions serve;
  ClassifyFilesOptions classify;
  FetchModelOptions fetch_model;
  ConvertModelOptions convert;
  FitModelOptions fit;
  MakeDemoModelOptions make_demo_model;
  CalibrateOptions calibrate;
  DrawPicturesOptions draw_pictures;
  std::string message;                             ///< kNone: what to print (help, version, or what is wrong)
  int exit_code = 0;                               ///< kNone: 0, or what main returns
  std::vector<UnknownVariable> unknown_variables;  ///< to be warned of
};

/// Flag, then the environment (INFERENCE_ and the name in capitals), then the file of --config, then the default.
CommandLine parse_command_line(int argc, const char* const* argv);

struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
/// "0.0.0.0:8080", "[::]:8080", ":8080".
Result<ListenAddress> parse_listen(const std::string& text);

/// kNotFound: no such file; else see model::parse_labels.
Result<model::Labels> read_labels(const std::string& path);

}  // namespace imageclassifier::app
