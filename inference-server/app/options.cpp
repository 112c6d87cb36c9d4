#include "inference-server/app/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "common/build_info.hpp"
#include "common/file.hpp"
#include "inference-server/app/option_sources.hpp"

namespace imageclassifier::app {
namespace {

/// What a supervisor does not retry in the hope of another outcome (sysexits.h EX_CONFIG).
constexpr int kExitConfiguration = 78;

/// CLI11 takes -1 for the largest number of an unsigned type, and what is too large as well.
CLI::Validator seed() {
  return CLI::Validator(
      [](const std::string& text) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool good = error == std::errc() && end == text.data() + text.size();
        return good ? std::string() : std::string("must be a whole number from 0 to 18446744073709551615");
      },
      "NUMBER");
}

/// CLI::Range lets NaN pass, of which no comparison is true.
CLI::Validator number_between(double least, double most) {
  const CLI::Range range(least, most);
  return CLI::Validator(
      [range](std::string& text) {
        double number = 0;
        if (CLI::detail::lexical_cast(text, number) && std::isnan(number)) return text + " is not a number";
        return range(text);
      },
      range.get_description());
}

/// An option with its environment variable: --max-upload-bytes and INFERENCE_MAX_UPLOAD_BYTES.
template <typename T>
CLI::Option* add(CLI::App& command, const std::string& flag, T& value, const std::string& help,
                 const std::string& prefix = "INFERENCE_") {
  std::string variable = prefix + flag.substr(2);
  for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return command.add_option(flag, value, help)->envname(variable)->capture_default_str();
}

struct ConfigOptions {
  std::string file;    ///< --config
  bool print = false;  ///< --print-config
};

void add_model_options(CLI::App& command, ModelOptions& options) {
  add(command, "--model", options.model, "Weights: a .safetensors file, or a .pth file of a state_dict")->required();
  add(command, "--model-sha256", options.sha256, "Refuse any other weights file than the one with this digest")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool good =
                text.empty() || (text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos);
            return good ? std::string() : std::string("must be 64 lower-case hex digits");
          },
          "SHA256"));
  add(command, "--architecture", options.architecture, "Refuse a model of another network")
      ->check(CLI::IsMember({"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}));
  add(command, "--model-name", options.name, "Name of the model in answers; default: its architecture");
  add(command, "--labels", options.labels, "Labels file: lines or JSON; default: the model's own");
  add(command, "--precision", options.precision, "Arithmetic of the model; auto: the fastest that proves itself")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "int8"}));
  add(command, "--engine", options.engine, "What computes the model; auto: the fastest that proves itself")
      ->check(CLI::IsMember({"auto", "onednn", "libtorch"}));
  add(command, "--allow-torchscript", options.allow_torchscript,
      "Run the code of a file of torch.jit.save (true or false): only for files that are trusted as this program is");
  add(command, "--preprocessing", options.preprocessing,
      "How pictures are resized and cropped; auto: as the model says")
      ->check(CLI::IsMember({"auto", "imagenet-v1", "imagenet-v2"}));
  add(command, "--threads", options.threads, "Threads of the model; 0: the cores this process may use")
      ->check(CLI::Range(0, 1024));
  add(command, "--top-k", options.top_k, "Predictions per picture unless the request says k")
      ->check(CLI::Range(1, 100));
  add(command, "--max-image-pixels", options.max_image_pixels, "Largest picture, width times height")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
  add(command, "--max-image-memory", options.max_image_memory,
      "Bytes that decoding one picture may take; 0: an eighth of the container's memory, at most 256 MiB")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 40));
}

CLI::App& add_serve(CLI::App& app, ServeOptions& options, ConfigOptions& config) {
  CLI::App& command = *app.add_subcommand("serve", "Serve the upload page and the HTTP API");
  // The options of all commands may also stand behind this one.
  command.fallthrough();
  add_model_options(command, options.model);
  add(command, "--lanes", options.model.lanes,
      "Batches computed at a time, which share the threads and the weights: for machines of more than eight cores")
      ->check(CLI::Range(1, 1024));
  add(command, "--listen", options.listen, "Address and port");
  add(command, "--max-upload-bytes", options.max_upload_bytes, "Largest request body")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 30));
  add(command, "--request-timeout", options.request_timeout, "Seconds from the last byte of a request to its answer")
      ->check(number_between(0.001, 3600.0));
  add(command, "--queue-depth", options.queue_depth, "Pictures that may wait for the model")
      ->check(CLI::Range(1, 100000));
  add(command, "--drain-delay", options.drain_delay, "Seconds to serve on after SIGTERM, not ready")
      ->check(number_between(0.0, 3600.0));
  add(command, "--exit-timeout", options.exit_timeout, "Seconds for requests in flight after that")
      ->check(number_between(0.0, 3600.0));
  add(command, "--auth-basic-file", options.auth_basic_file,
      "Ask for a user name and a password: a folder with the files username and password, or a file with "
      "username:password; read again when they change");
  add(command, "--auth-bearer-file", options.auth_bearer_file,
      "Let in whoever brings a bearer token: a file with one in each line; read again when it changes");
  add(command, "--cors-origin", options.cors_origins,
      "Origins whose pages may read answers, separated by commas, or *; default: none")
      ->delimiter(',')
      ->default_str("");
  add(command, "--admin-listen", options.admin_listen,
      "Address and port for reload, drain, log level and configuration; default: none");
  add(command, "--admin-token-file", options.admin_token_file,
      "Bearer tokens for the admin port, needed if its address is not a loopback one");
  add(command, "--tls-certificate", options.tls_certificate,
      "Serve HTTPS: a PEM file with the certificate and its chain; read again when it changes");
  add(command, "--tls-key", options.tls_key, "PEM file with the certificate's key");
  add(command, "--self-test-image", options.self_test_image,
      "Serve only if this picture file is taken for --self-test-label");
  add(command, "--self-test-label", options.self_test_label, "Label of the self-test's picture");
  add(command, "--self-test-minimum-score", options.self_test_minimum_score, "Probability that it must have at least")
      ->check(number_between(0.0, 1.0));
  add(command, "--upload-page", options.upload_page, "Serve the page at / (true or false)");
  add(command, "--termination-log", options.termination_log, "File for the reason when the server cannot ever serve");
  add(command, "--config", config.file, "YAML file with options: their names without dashes, a colon, the value");
  command.add_flag("--print-config", config.print, "Print each option's value and where it came from, and end");
  return command;
}

void add_classify(CLI::App& app, ClassifyFilesOptions& options) {
  CLI::App& command = *app.add_subcommand("classify", "Classify picture files");
  add_model_options(command, options.model);
  command.add_option("files", options.files, "JPEG, PNG, WebP, GIF or BMP files")->required();
  command.add_flag("--json", options.json, "Print the answer of POST /v1/classify, one line per file");
}

void add_convert(CLI::App& app, CommandLine& line) {
  ConvertModelOptions& convert = line.convert;
  CLI::App& converting = *app.add_subcommand("convert", "Write PyTorch weights as .safetensors with a manifest");
  converting.add_option("input", convert.input, "A .pth or .safetensors file")->required();
  converting.add_option("output", convert.output, "The .safetensors file to write")->required();
  converting.add_option("--architecture", convert.architecture, "Refuse another network")
      ->check(CLI::IsMember({"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}));
  converting
      .add_option("--weights", convert.weights,
                  "How pictures are prepared: V1 (shorter side 256) or V2 (232); a .pth file does not say")
      ->check(CLI::IsMember({"V1", "V2"}));
  converting.add_option("--labels", convert.labels, "Labels file: lines or JSON");
}

void add_fit(CLI::App& app, FitModelOptions& fit) {
  CLI::App& fitting = *app.add_subcommand("fit", "Learn classes of your own from folders of pictures");
  fitting.add_option("--images", fit.images, "Folder with one folder of pictures per class")->required();
  fitting.add_option("--out", fit.output, "The .safetensors file to write")->required();
  add(fitting, "--model", fit.model, "Weights whose network is taken, all but the last layer")->required();
  fitting.add_option("--holdout", fit.holdout, "Share of each class that is judged and not fitted")
      ->check(number_between(0.0, 0.5))
      ->capture_default_str();
  fitting.add_option("--seed", fit.seed, "Which pictures are held out")->check(seed())->capture_default_str();
  add(fitting, "--threads", fit.threads, "0: the cores this process may use")->check(CLI::Range(0, 1024));
}

void add_calibrate(CLI::App& app, CalibrateOptions& options) {
  CLI::App& command =
      *app.add_subcommand("calibrate", "Measure a model's activations on pictures, and write it in int8");
  add(command, "--model", options.model, "float32 weights: a .safetensors or .pth file")->required();
  command.add_option("--images", options.images, "Folder of pictures like those to come, with folders inside")
      ->required();
  command.add_option("--out", options.output, "The .safetensors file to write")->required();
  command.add_option("--limit", options.limit, "Pictures at most, spread over the folder")
      ->check(CLI::Range(4, 1'000'000))
      ->capture_default_str();
  command
      .add_option(
          "--least-agreement", options.least_agreement,
          "Share of the compared pictures that must keep float32's first class; else nothing is written; 0: no matter "
          "what the comparison says")
      ->check(number_between(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "0: the cores this process may use")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void add_model_tools(CLI::App& app, CommandLine& line) {
  FetchModelOptions& fetch = line.fetch_model;
  CLI::App& fetching = *app.add_subcommand("fetch-model", "Download model weights and check their digest");
  const std::string prefix = "INFERENCE_FETCH_";
  add(fetching, "--url", fetch.url, "https address; default: the official ResNet101 weights", prefix);
  add(fetching, "--directory", fetch.directory, "Where the file goes", prefix);
  add(fetching, "--name", fetch.name, "The file's name there; default: what the address ends in", prefix);
  add(fetching, "--sha256", fetch.sha256, "Expected digest; must be given with --url", prefix);
  add(fetching, "--ca-file", fetch.ca_file, "PEM file of authorities to trust besides the system's", prefix);
  add(fetching, "--max-bytes", fetch.max_bytes, "Refuse a larger file", prefix)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
  add(fetching, "--timeout", fetch.timeout, "Seconds for the whole download", prefix)->check(CLI::Range(1, 1'000'000));
  add(fetching, "--attempts", fetch.attempts, "Requests before a network or server that fails is given up", prefix)
      ->check(CLI::Range(1, 1000));
  add(fetching, "--termination-log", fetch.termination_log, "File for the reason of a failure");

  MakeDemoModelOptions& make = line.make_demo_model;
  CLI::App& making = *app.add_subcommand("make-demo-model", "Fit a model to pictures that this program draws");
  making.add_option("--output", make.output, "The .safetensors file to write")->required();
  making.add_option("--architecture", make.architecture, "resnet18, 34, 50, 101 or 152")->capture_default_str();
  making.add_option("--seed", make.seed, "Of backbone and pictures")->check(seed())->capture_default_str();
  making.add_option("--pictures-per-class", make.pictures_per_class, "Fitted pictures")->capture_default_str();
  making.add_flag("--shuffle-labels", make.shuffle_labels, "Deal the labels at random: answers must fall to chance");
  making.add_option("--threads", make.threads, "0: the cores this process may use")->capture_default_str();

  DrawPicturesOptions& draw = line.draw_pictures;
  CLI::App& drawing = *app.add_subcommand("draw-pictures", "Draw labelled pictures for trying the demo model");
  drawing.add_option("--output", draw.output, "Folder; one folder per label inside")->required();
  drawing.add_option("--set", draw.set, "Which set")
      ->check(CLI::IsMember({"fitting", "held-out"}))
      ->capture_default_str();
  drawing.add_option("--seed", draw.seed, "Other seeds give other pictures")->check(seed())->capture_default_str();
  drawing.add_option("--per-class", draw.per_class, "Pictures per label")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

Command command_of(const CLI::App& app) {
  if (app.got_subcommand("serve")) return Command::kServe;
  if (app.got_subcommand("classify")) return Command::kClassify;
  if (app.got_subcommand("fetch-model")) return Command::kFetchModel;
  if (app.got_subcommand("convert")) return Command::kConvert;
  if (app.got_subcommand("fit")) return Command::kFit;
  if (app.got_subcommand("calibrate")) return Command::kCalibrate;
  if (app.got_subcommand("make-demo-model")) return Command::kMakeDemoModel;
  if (app.got_subcommand("draw-pictures")) return Command::kDrawPictures;
  return Command::kNone;
}

/// What the command line or the environment says of --config, when the command is `serve`. Its other words may be
/// wrong: that is told when all of it is parsed. With --print-config nothing is missing.
std::string config_path(int argc, const char* const* argv, CLI::App& serve) {
  std::string path;
  bool print = false;
  CLI::App scan;
  scan.set_help_flag();
  scan.allow_extras();
  add(scan, "--config", path, "");
  scan.add_flag("--print-config", print);
  try {
    scan.parse(argc, argv);
  } catch (const CLI::ParseError&) {
    return {};
  }
  const auto words = scan.remaining();
  if (std::find(words.begin(), words.end(), "serve") == words.end()) return {};
  if (print) serve.get_option("--model")->required(false);
  return path;
}

CommandLine refused(CommandLine line, const std::string& why) {
  line.command = Command::kNone;
  line.exit_code = kExitConfiguration;
  line.message = why.ends_with('\n') ? why : why + "\nRun with --help for more information.\n";
  return line;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app("Image classification server: a ResNet behind an upload page and an HTTP API", "inference-server");
  app.set_version_flag("--version", std::string(build_version()));
  app.require_subcommand(1);
  std::string level = "info";
  add(app, "--log-level", level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  ConfigOptions config;
  CLI::App& serve = add_serve(app, line.serve, config);
  add_classify(app, line.classify);
  add_convert(app, line);
  add_fit(app, line.fit);
  add_calibrate(app, line.calibrate);
  add_model_tools(app, line);
  line.unknown_variables = unknown_variables(app);
  std::vector<config::Setting> file;
  if (const std::string path = config_path(argc, argv, serve); !path.empty()) {
    auto applied = apply_config_file(serve, path);
    if (!applied) return refused(std::move(line), applied.error().describe());
    file = std::move(*applied);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream problems;
    const bool good = app.exit(error, out, problems) == 0;
    if (good) {
      line.unknown_variables.clear();
      line.message = out.str();
      return line;
    }
    if (const std::string unknown = unknown_word(app); !unknown.empty()) return refused(std::move(line), unknown);
    return refused(std::move(line), problems.str());
  }
  log::parse_level(level, line.log_level);
  line.command = command_of(app);
  if (line.command != Command::kServe) return line;
  line.serve.effective = config::config_text(effective_options(serve, file));
  if (!config.print) return line;
  line.command = Command::kNone;
  line.message = line.serve.effective;
  return line;
}

Result<ListenAddress> parse_listen(const std::string& text) {
  const auto refuse = [&text] {
    return fail(ErrorCode::kInvalidArgument, "\"" + text + "\" is not an address and a port, such as 0.0.0.0:8080");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return refuse();
  ListenAddress listen{text.substr(0, colon), 0};
  if (listen.address.empty()) listen.address = "0.0.0.0";
  if (listen.address.starts_with('[') && listen.address.ends_with(']')) {
    listen.address = listen.address.substr(1, listen.address.size() - 2);
  }
  const char* const begin = text.data() + colon + 1;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, listen.port);
  if (error != std::errc() || stopped != end) return refuse();
  return listen;
}

Result<model::Labels> read_labels(const std::string& path) {
  constexpr std::uint64_t kMaximumFile = 16 * 1024 * 1024;
  const auto text = read_regular_file(path, kMaximumFile);
  if (!text) return fail(Error(ErrorCode::kNotFound, "the labels file cannot be used", text.error()));
  auto labels = model::parse_labels(*text);
  if (!labels) return fail(Error(labels.error().code, "the labels file " + path + " cannot be used", labels.error()));
  return labels;
}

}  // namespace imageclassifier::app
