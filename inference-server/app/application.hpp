#pragma once

#include <memory>
#include <stop_token>

#include "common/stop.hpp"
#include "inference-server/app/options.hpp"
#include "inference-server/image/decoder.hpp"
#include "inference-server/model/model.hpp"

namespace imageclassifier::app {

/// The exit code for what no restart can heal; the reason stands in the termination log.
inline constexpr int kExitConfiguration = 78;

/// Loads the model as the options say. ErrorCode::kDataLoss: the digest differs.
Result<std::unique_ptr<model::Model>> load(const ModelOptions& options, StartStages* stages = nullptr);

/// What a picture may be like.
image::DecodeLimits limits_of(const ModelOptions& options);

/// Listens first, loads and warms up in the background, serves until the first signal, drains. Returns the exit code:
/// 0 after a drain, 78 when the server can never become ready, 1 for other failures.
int serve(const ServeOptions& options, SignalStop& signals);

/// Writes {"reason","message"} where Kubernetes looks for it, if that file exists.
void write_termination_log(const std::string& termination_log, const std::string& reason, const std::string& message);
/// The same for a server that cannot ever become ready, and to the log.
void report_fatal(const std::string& termination_log, const std::string& reason, const std::string& message);

/// `inference-server classify`: 0 when every file was classified, 1 otherwise.
int classify_files(const ClassifyFilesOptions& options);

/// 0: the file is there; 78 and a reason in the termination log: only another address, digest or option helps; 1 and
/// the reason ModelUnavailable: another attempt may succeed.
int fetch_model(const FetchModelOptions& options, std::stop_token stop);
/// 0: written; 1: not, and nothing is left behind.
int convert_model(const ConvertModelOptions& options);
int fit_model(const FitModelOptions& options);
/// `inference-server calibrate`: 0: written; 1: not.
int calibrate(const CalibrateOptions& options);
int make_demo_model(const MakeDemoModelOptions& options);
int draw_pictures(const DrawPicturesOptions& options);

}  // namespace imageclassifier::app
