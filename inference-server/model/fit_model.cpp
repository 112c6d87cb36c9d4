#include "inference-server/model/fit_model.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "inference-server/demo/random.hpp"
#include "inference-server/model/head_fit.hpp"
#include "inference-server/model/labels.hpp"
#include "inference-server/model/manifest.hpp"
#include "inference-server/model/mapped_file.hpp"
#include "inference-server/model/picture_file.hpp"
#include "inference-server/model/weights_check.hpp"
#include "inference-server/model/weights_file.hpp"

namespace imageclassifier::model {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMinimumPerClass = 4;

/// The names of the entries that are not hidden, in byte order.
Result<std::vector<std::string>> entries(const std::string& folder, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool wanted = folders ? it->is_directory(ignored) : it->is_regular_file(ignored);
    if (wanted && !name.starts_with('.')) names.push_back(name);
  }
  if (error) return fail(ErrorCode::kNotFound, "the folder " + folder + " cannot be read: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

/// Whatever bytes a name has, as ASCII that does nothing to a terminal.
std::string quoted(const std::string& name) {
  return nlohmann::json(name.substr(0, 200)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

Result<void> check_folders(const std::vector<std::string>& folders, const std::string& images) {
  if (folders.size() < 2) {
    return fail(ErrorCode::kInvalidArgument, "the folder " + images + " has " + std::to_string(folders.size()) +
                                                 " folders of pictures; a model needs at least two classes");
  }
  for (const std::string& folder : folders) {
    if (auto good = check_labels({{folder}}); !good) {
      return fail(
          Error(good.error().code, "the folder " + quoted(folder) + " can give no class its name", good.error()));
    }
  }
  return check_labels({folders});
}

struct File {
  std::string name;
  int label;
};

/// The backbone's file, mapped; the tensors' views point into it.
struct Backbone {
  MappedFile mapped;
  NamedTensors file;
  Manifest manifest;
  Architecture architecture;
  CheckedWeights weights;
};

Result<Backbone> open_backbone(const std::string& path) {
  auto mapped = MappedFile::open(path);
  if (!mapped) return tl::unexpected(mapped.error());
  auto file = read_intact_weights_file(mapped->bytes());
  if (!file) return fail(Error(file.error().code, "the backbone " + path + " is unusable", file.error()));
  if (!file->content.metadata.contains("resize")) {
    return fail(ErrorCode::kInvalidArgument,
                "the backbone " + path + " does not say how pictures are prepared: inference-server convert adds it");
  }
  auto manifest = parse_manifest(file->content.metadata);
  if (!manifest) return tl::unexpected(manifest.error());
  if (manifest->precision != "float32") {
    return fail(ErrorCode::kInvalidArgument, "the backbone " + path + " is calibrated; give the float32 model");
  }
  auto architecture = find_architecture(manifest->architecture);
  if (!architecture) return tl::unexpected(architecture.error());
  auto checked = check_weights(*architecture, file->content);
  if (!checked) return tl::unexpected(checked.error());
  return Backbone{std::move(*mapped), std::move(*file), std::move(*manifest), std::move(*architecture),
                  std::move(*checked)};
}

class Fitter {
 public:
  explicit Fitter(const FitOptions& options) : options_(options) {}

  Result<FitReport> run() {
    for (const auto step : {&Fitter::find_pictures, &Fitter::read_pictures, &Fitter::fit}) {
      if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return std::move(report_);
  }

 private:
  void step(const std::string& line) const {
    if (options_.on_step) options_.on_step(line);
  }

  Result<void> find_pictures() {
    auto folders = entries(options_.images, true);
    if (!folders) return tl::unexpected(folders.error());
    if (auto good = check_folders(*folders, options_.images); !good) return good;
    report_.labels = std::move(*folders);
    for (std::size_t c = 0; c < report_.labels.size(); ++c) {
      const auto files = entries(options_.images + "/" + report_.labels[c], false);
      if (!files) return tl::unexpected(files.error());
      if (files->size() < kMinimumPerClass) return too_few(c, files->size());
      for (const std::string& name : *files) files_.push_back({name, static_cast<int>(c)});
    }
    return {};
  }

  tl::unexpected<Error> too_few(std::size_t label, std::size_t count) const {
    return fail(ErrorCode::kInvalidArgument,
                "the class " + report_.labels[label] + " has " +
                    (count == 0 ? std::string("no picture") : std::to_string(count) + " pictures that can be read") +
                    "; it needs at least four");
  }

  std::optional<preprocess::Input> read(const File& file, const preprocess::TransformSpec& transform) {
    const std::string& label = report_.labels[static_cast<std::size_t>(file.label)];
    auto input = read_picture_file(options_.images + "/" + label + "/" + file.name, transform);
    if (input) return std::move(*input);
    ++report_.left_out;
    if (options_.on_left_out) options_.on_left_out(label, file.name, input.error().message);
    return std::nullopt;
  }

  Result<void> read_pictures() {
    step("loading the backbone");
    auto backbone = open_backbone(options_.backbone);
    if (!backbone) return tl::unexpected(backbone.error());
    backbone_ = std::move(*backbone);
    const preprocess::TransformSpec& transform = backbone_->manifest.transform;
    auto engine = build_backbone(backbone_->architecture, backbone_->weights.classes, backbone_->weights.tensors,
                                 backbone_->manifest, options_.threads);
    if (!engine) return tl::unexpected(engine.error());
    step("reading " + std::to_string(files_.size()) + " pictures of " + std::to_string(report_.labels.size()) +
         " classes");
    PictureSource source;
    source.count = files_.size();
    source.class_of = [this](std::size_t n) { return files_[n].label; };
    source.read = [&](std::size_t n) -> Result<std::optional<preprocess::Input>> { return read(files_[n], transform); };
    if (options_.on_pictures) source.progress = options_.on_pictures;
    auto features = compute_features(**engine, source);
    if (!features) return tl::unexpected(features.error());
    all_ = std::move(*features);
    for (std::size_t c = 0; c < report_.labels.size(); ++c) {
      const auto usable =
          static_cast<std::size_t>(std::count(all_.classes.begin(), all_.classes.end(), static_cast<int>(c)));
      if (usable < kMinimumPerClass) return too_few(c, usable);
    }
    return {};
  }

  /// Which pictures are held out is drawn for each class by the seed; the classes lie one after the other.
  void deal(LabelledFeatures& fitted, LabelledFeatures& held_out) {
    demo::Random random(options_.seed);
    for (std::size_t begin = 0; begin < all_.rows.size();) {
      std::size_t end = begin;
      while (end < all_.rows.size() && all_.classes[end] == all_.classes[begin]) ++end;
      for (std::size_t last = end - 1; last > begin; --last) {
        const int place = random.whole(static_cast<int>(begin), static_cast<int>(last));
        std::swap(all_.rows[last], all_.rows[static_cast<std::size_t>(place)]);
      }
      const auto share = static_cast<std::size_t>(std::lround(options_.holdout * static_cast<double>(end - begin)));
      const std::size_t count = options_.holdout > 0 ? std::max<std::size_t>(share, 1) : 0;
      for (std::size_t i = begin; i < end; ++i) {
        LabelledFeatures& part = i - begin < count ? held_out : fitted;
        part.rows.push_back(std::move(all_.rows[i]));
        part.classes.push_back(all_.classes[i]);
      }
      begin = end;
    }
  }

  Result<void> fit() {
    LabelledFeatures fitted;
    LabelledFeatures held_out;
    deal(fitted, held_out);
    step("fitting the head to " + std::to_string(fitted.rows.size()) + " pictures");
    auto head = fit_and_judge(fitted, held_out, static_cast<int>(report_.labels.size()));
    if (!head) return tl::unexpected(head.error());
    step("writing " + options_.output);
    Manifest manifest = backbone_->manifest;
    manifest.weights = "fitted";
    manifest.labels = report_.labels;
    manifest.wnids.clear();
    auto digest = write_fitted_model(options_.output, backbone_->architecture, backbone_->weights.tensors, *head,
                                     std::move(manifest));
    if (!digest) return tl::unexpected(digest.error());
    report_.sha256 = std::move(*digest);
    report_.fitted = fitted.rows.size();
    report_.held_out = held_out.rows.size();
    report_.top1 = head->top1;
    report_.temperature = head->temperature;
    report_.confusion = std::move(head->confusion);
    return {};
  }

  const FitOptions& options_;
  FitReport report_;
  std::vector<File> files_;  ///< class by class
  std::optional<Backbone> backbone_;
  LabelledFeatures all_;
};

}  // namespace

Result<FitReport> fit_model(const FitOptions& options) {
  if (!(options.holdout >= 0 && options.holdout <= 0.5)) {
    return fail(ErrorCode::kInvalidArgument, "the share that is held out must be from 0 to 0.5");
  }
  if (auto writable = check_output(options.output); !writable) return tl::unexpected(writable.error());
  return Fitter(options).run();
}

}  // namespace imageclassifier::model
