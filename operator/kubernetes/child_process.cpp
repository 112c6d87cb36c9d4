#include "operator/kubernetes/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace imageclassifier::kubernetes {
namespace {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

struct Pipe {
  Descriptor reader, writer;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail(ErrorCode::kInternal, std::string("pipe: ") + strerror(errno));
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> merged;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry(*each);
    const std::string_view name = entry.substr(0, entry.find('='));
    if (std::none_of(added.begin(), added.end(), [&](const auto& pair) { return pair.first == name; })) {
      merged.emplace_back(entry);
    }
  }
  for (const auto& [name, value] : added) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// posix_spawn rather than fork: this process has threads.
Result<pid_t> start(const ChildOptions& options, const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.writer.get(), 1);
  posix_spawn_file_actions_adddup2(&files, err.writer.get(), 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> args = options.args;
  args.insert(args.begin(), options.program);
  std::vector<std::string> environment = merged_environment(options.environment);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.program.c_str(), &files, &attributes, pointers(args).data(),
                                pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return fail(ErrorCode::kNotFound, options.program + " cannot be started: " + strerror(error));
  return pid;
}

// Takes what is there. False at the end of the pipe.
bool drain(int descriptor, std::string& into, std::size_t limit, bool keep_last) {
  std::array<char, 16384> buffer{};
  while (true) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    into.append(buffer.data(), static_cast<std::size_t>(count));
    if (into.size() <= limit) continue;
    if (!keep_last) return true;  // the caller looks at the size
    into.erase(0, into.size() - limit);
  }
}

struct Running {
  pid_t pid;
  Descriptor handle, out, err;
};

Result<void> follow(const Running& child, const ChildOptions& options, ChildResult& result) {
  SystemClock clock;
  const SteadyTime deadline = clock.steady_now() + options.timeout;
  std::array<pollfd, 3> watched{pollfd{child.handle.get(), POLLIN, 0}, pollfd{child.out.get(), POLLIN, 0},
                                pollfd{child.err.get(), POLLIN, 0}};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.steady_now()).count();
    if (left <= 0) return fail(ErrorCode::kDeadlineExceeded, "it did not end in time");
    if (options.stop.stop_requested()) return fail(ErrorCode::kCancelled, "it was ended because we are stopping");
    const long longest = options.stop.stop_possible() ? 50 : 3'600'000;
    if (poll(watched.data(), watched.size(), static_cast<int>(std::min(left, longest))) < 0 && errno != EINTR) {
      return fail(ErrorCode::kInternal, std::string("poll: ") + strerror(errno));
    }
    const bool ended = watched[0].revents != 0;
    if (!drain(child.out.get(), result.output, options.maximum_output, false)) watched[1].fd = -1;
    if (!drain(child.err.get(), result.errors, options.maximum_errors, true)) watched[2].fd = -1;
    if (result.output.size() > options.maximum_output) {
      return fail(ErrorCode::kTooLarge, "it printed more than " + std::to_string(options.maximum_output) + " bytes");
    }
    if (ended) return {};
  }
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ChildResult> run_child(const ChildOptions& options) {
  auto out = make_pipe();
  auto err = make_pipe();
  if (!out) return fail(out.error());
  if (!err) return fail(err.error());
  const auto pid = start(options, *out, *err);
  if (!pid) return fail(pid.error());
  out->writer = Descriptor();
  err->writer = Descriptor();
  const Running child{*pid, Descriptor(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0))), std::move(out->reader),
                      std::move(err->reader)};
  ChildResult result;
  const auto followed = child.handle.get() < 0
                            ? Result<void>(fail(ErrorCode::kInternal, std::string("pidfd_open: ") + strerror(errno)))
                            : follow(child, options, result);
  if (!followed) kill(-*pid, SIGKILL);
  result.exit_code = wait_for(*pid);
  if (!followed) return fail(followed.error());
  return result;
}

std::string find_program(const std::string& name, const std::string& path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    begin = end + 1;
    if (folder.empty() || folder.front() != '/') continue;
    const std::string candidate = folder + "/" + name;
    std::error_code ignored;
    if (access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate, ignored)) return candidate;
  }
  return {};
}

}  // namespace imageclassifier::kubernetes
