#include "operator/kubernetes/curl_transport.hpp"

#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <exception>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/guarded.hpp"
#include "operator/kubernetes/libcurl.hpp"
#include "operator/kubernetes/line_splitter.hpp"
#include "operator/kubernetes/request_slots.hpp"
#include "operator/kubernetes/transport_ends.hpp"

namespace imageclassifier::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// All heads of one answer, with interim ones (1xx) and trailers. Below libcurl's own limit (300 KB since 8.3, and in
// Debian's 7.88), whose error does not tell it from a lost connection.
constexpr std::size_t kMaximumHead = 256U << 10U;
// The API server closes connections that were idle for 90 s.
constexpr long kMaximumIdleSeconds = 60;

// Deleter for what libcurl gives.
template <auto Function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    (curl().*Function)(object);
  }
};
using Multi = std::unique_ptr<CURLM, Free<&Libcurl::multi_cleanup>>;
using Easy = std::unique_ptr<CURL, Free<&Libcurl::easy_cleanup>>;
using Strings = std::unique_ptr<curl_slist, Free<&Libcurl::slist_free_all>>;
using Url = std::unique_ptr<CURLU, Free<&Libcurl::url_cleanup>>;

void append(Strings& list, const std::string& text) {
  if (curl_slist* longer = curl().slist_append(list.get(), text.c_str())) {
    static_cast<void>(list.release());
    list.reset(longer);
  }
}

// What libcurl can wait for at once; at least 1.
int whole_milliseconds(Duration duration) {
  const auto rounded = std::chrono::ceil<milliseconds>(std::min<Duration>(duration, std::chrono::hours(1)));
  return std::max(1, static_cast<int>(rounded.count()));
}

// ---- where to ----

// What stays the same for every request.
struct Way {
  std::string base;        // what every target is appended to
  std::string authority;   // Host header, if it differs from base's
  std::string connect_to;  // libcurl's "HOST:PORT:ADDRESS:PORT", if another name than the address's is verified
  ProxyConfig proxy;
  bool verify = true;
  bool verify_name = true;
  bool (*may_connect)(const sockaddr&) = nullptr;
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl().free(text);
  return copy;
}

Result<Way> find_way(const ClientConfig& config) {
  const Url url(curl().url());
  const bool parsed = url && curl().url_set(url.get(), CURLUPART_URL, config.server.c_str(), 0) == CURLUE_OK;
  const std::string scheme = parsed ? part(url.get(), CURLUPART_SCHEME) : "";
  const bool surplus = parsed && !(part(url.get(), CURLUPART_USER) + part(url.get(), CURLUPART_QUERY)).empty();
  if ((scheme != "https" && scheme != "http") || surplus) {
    return no_server_url(config.server);
  }
  Way way{config.server, {}, {}, config.proxy, !config.tls.insecure_skip_verify};
  if (scheme == "https" && !config.tls.server_name.empty()) {
    const std::string host = part(url.get(), CURLUPART_HOST);
    const std::string port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const std::string& name = config.tls.server_name;
    const bool ipv6 = name.find(':') != std::string::npos && name.front() != '[';
    if (curl().url_set(url.get(), CURLUPART_HOST, ipv6 ? ("[" + name + "]").c_str() : name.c_str(), 0) != CURLUE_OK) {
      return fail(ErrorCode::kInvalidArgument, "tls-server-name " + name + " is not a host name");
    }
    way.base = part(url.get(), CURLUPART_URL);
    if (way.base.back() == '/') way.base.pop_back();
    way.authority = host + ":" + port;
    way.connect_to = "::" + host + ":" + port;
  }
  return way;
}

// ---- one exchange ----

// What happens while libcurl works, on the thread that called it.
struct Exchange {
  Exchange(const Request& request_in, Clock& clock_in, std::function<bool(std::string_view)> put_in)
      : request(request_in), clock(clock_in), put(std::move(put_in)), last_byte(clock.steady_now()) {}

  bool on_head_line(std::string_view line) {
    head_bytes += line.size();
    if (head_bytes > kMaximumHead) return false;
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (answered) return true;  // a trailer
    if (line.rfind("HTTP/", 0) == 0) {
      const std::size_t space = std::min(line.find(' '), line.size() - 1);
      headers.clear();
      status = 0;
      std::from_chars(line.data() + space + 1, line.data() + line.size(), status);
    } else if (line.empty()) {
      answered = status >= 200;
      last_byte = clock.steady_now();
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      std::string_view value = line.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
      headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
    }
    return true;
  }

  bool on_body(std::string_view piece) {
    const bool go_on = put(piece);
    last_byte = clock.steady_now();
    return go_on;
  }

  const Request& request;
  Clock& clock;
  const std::function<bool(std::string_view)> put;
  int status = 0;
  std::vector<Header> headers;
  bool answered = false;  // the head of the final answer is complete
  SteadyTime last_byte;
  std::size_t head_bytes = 0;
  int attempts = 0;
  bool (*may_connect)(const sockaddr&) = nullptr;
  bool refused = false;       // an address, by may_connect
  bool connecting = false;    // to another one
  std::exception_ptr thrown;  // by the sink: no exception may pass through libcurl
};

template <typename Function>
std::size_t take(Exchange& exchange, std::size_t size, Function function) {
  try {
    return function() ? size : 0;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return 0;
  }
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* exchange) {
  auto& to = *static_cast<Exchange*>(exchange);
  return take(to, size, [&] { return to.on_head_line({data, size}); });
}

std::size_t on_write(char* data, std::size_t, std::size_t size, void* exchange) {
  auto& to = *static_cast<Exchange*>(exchange);
  return take(to, size, [&] { return to.on_body({data, size}); });
}

// Called each time that a request is about to be sent.
int on_attempt(void* exchange, char*, char*, int, int) {
  auto& of = *static_cast<Exchange*>(exchange);
  return ++of.attempts == 1 || is_read(of.request.method) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

curl_socket_t on_address(void* exchange, curlsocktype, curl_sockaddr* address) {
  auto& of = *static_cast<Exchange*>(exchange);
  const bool allowed = of.may_connect(address->addr);
  (allowed ? of.connecting : of.refused) = true;
  if (!allowed) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

CURLcode on_tls_context(CURL*, void* context, void* identity) {
  const bool applied = static_cast<const TlsIdentity*>(identity)->apply(static_cast<ssl_ctx_st*>(context));
  return applied ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

// What libcurl tells of an exchange that went wrong beside its code.
struct Trouble {
  std::string text;
  long verified = X509_V_OK;
  long os_error = 0;
};

Error refused_certificate(long verified) {
  switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Error(ErrorCode::kDeadlineExceeded, "it has ended, by the clock of this machine");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Error(ErrorCode::kDeadlineExceeded, "it has not begun, by the clock of this machine");
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:  // libcurl's before the authority is looked at: it checks the name first
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Error(ErrorCode::kUnauthenticated, "it was issued for another name");
    default:
      return Error(ErrorCode::kUnauthenticated, "it was issued by an authority that is not known");
  }
}

Error lost_connection(CURLcode code, long os_error) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error(ErrorCode::kNotFound, "its name does not resolve");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Error(ErrorCode::kNotFound, "the name of the proxy before it does not resolve");
    case CURLE_COULDNT_CONNECT:
      if (os_error == ECONNREFUSED) return Error(ErrorCode::kUnavailable, "it refuses the connection");
      if (os_error == ENETUNREACH || os_error == EHOSTUNREACH)
        return Error(ErrorCode::kUnavailable, "there is no route to it");
      return Error(ErrorCode::kUnavailable, "no connection to it comes about");
    case CURLE_PARTIAL_FILE:
      return Error(ErrorCode::kDataLoss, "its answer is cut short");
    case CURLE_SSL_CONNECT_ERROR:
      return Error(ErrorCode::kUnavailable, "no TLS comes about with it");
    default:
      return Error(ErrorCode::kUnavailable, "the connection to it is lost");
  }
}

Error classify(CURLcode code, const Trouble& trouble) {
  const std::string why = trouble.text.empty() ? curl().easy_strerror(code) : trouble.text;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Error(ErrorCode::kDeadlineExceeded, "the API server did not answer in time: " + why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return Error(ErrorCode::kUnauthenticated,
                   "the API server's certificate is not trusted or has another name: " + why,
                   refused_certificate(trouble.verified));
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CLIENTCERT:
      return Error(ErrorCode::kUnauthenticated, "the client certificate was refused: " + why);
    case CURLE_ABORTED_BY_CALLBACK:
      return Error(ErrorCode::kUnavailable,
                   "the connection to the API server was lost; the request may have arrived "
                   "and was not sent again");
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_NOT_BUILT_IN:
      return Error(ErrorCode::kUnsupported, "libcurl cannot send the request: " + why);
    default:
      return Error(ErrorCode::kUnavailable, "the connection to the API server failed or was lost: " + why,
                   lost_connection(code, trouble.os_error));
  }
}

// Beyond our limit, or with a line beyond libcurl's, which it calls a lack of memory.
bool is_head_too_large(const Exchange& exchange, std::optional<CURLcode> code) {
  const bool waiting = exchange.attempts > 0 && !exchange.answered;
  return exchange.head_bytes > kMaximumHead || (waiting && code == CURLE_OUT_OF_MEMORY);
}

// ---- one connection ----

// Carries one request at a time, on the thread that calls it, and keeps the connection for the next.
class Line {
 public:
  Line(TlsIdentitySource::Snapshot identity, SteadyTime made_at)
      : identity_(std::move(identity)), made_at_(made_at), multi_(curl().multi_init()), easy_(curl().easy_init()) {
    curl().multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, 1L);
  }
  ~Line() { detach(); }
  Line(const Line&) = delete;

  bool usable(std::uint64_t generation, SteadyTime now, Duration maximum_age) const {
    return identity_.generation == generation && now - made_at_ < maximum_age && quiet();
  }

  /// Works until the exchange is done, or `stop` is requested or `until()` has passed: nothing then.
  std::optional<CURLcode> run(const Way& way, Exchange& exchange, const std::function<SteadyTime()>& until,
                              const std::stop_token& stop) {
    if (!multi_ || !easy_) return CURLE_OUT_OF_MEMORY;
    prepare(way, exchange, until() - exchange.clock.steady_now());
    if (refused_ != CURLE_OK) return refused_;
    if (curl().multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    attached_ = true;
    const std::optional<CURLcode> code = drive(exchange, until, stop);
    if (curl().easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket_) != CURLE_OK) socket_ = CURL_SOCKET_BAD;
    curl().easy_getinfo(easy_.get(), CURLINFO_SSL_VERIFYRESULT, &verified_);
    curl().easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error_);
    detach();
    if (exchange.thrown) std::rethrow_exception(exchange.thrown);
    return code;
  }

  Trouble trouble() const { return {error_text_, verified_, os_error_}; }

 private:
  // Whatever an idle connection has to say is its end, which libcurl overlooks under TLS.
  bool quiet() const {
    char byte = 0;
    return socket_ != CURL_SOCKET_BAD && recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

  std::optional<CURLcode> drive(Exchange& exchange, const std::function<SteadyTime()>& until,
                                const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] { curl().multi_wakeup(multi_.get()); });
    while (true) {
      int running = 0;
      if (curl().multi_perform(multi_.get(), &running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
      if (stop.stop_requested()) return std::nullopt;
      int left = 0;
      while (const CURLMsg* message = curl().multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) return message->data.result;
      }
      const Duration rest = until() - exchange.clock.steady_now();
      if (rest <= Duration::zero()) return std::nullopt;
      const int wait = whole_milliseconds(rest);
      if (curl().multi_poll(multi_.get(), nullptr, 0, wait, nullptr) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    }
  }

  void detach() {
    if (std::exchange(attached_, false)) curl().multi_remove_handle(multi_.get(), easy_.get());
  }

  template <typename T>
  void set(CURLoption option, T value) {
    static_assert(std::is_pointer_v<T> || std::is_same_v<T, long> || std::is_same_v<T, curl_off_t>);
    const CURLcode code = curl().easy_setopt(easy_.get(), option, value);
    if (code != CURLE_OK) refused_ = code;
  }

  void prepare(const Way& way, Exchange& exchange, Duration patience) {
    curl().easy_reset(easy_.get());  // keeps the connection
    error_text_[0] = '\0';
    refused_ = CURLE_OK;
    set(CURLOPT_ERRORBUFFER, error_text_);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // does not wait for a name that is still being resolved
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_TCP_KEEPIDLE, 30L);
    set(CURLOPT_TCP_KEEPINTVL, 15L);
    set(CURLOPT_MAXAGE_CONN, kMaximumIdleSeconds);
    // libcurl gives the first of several addresses half of this time, so that the next has its turn in time.
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(whole_milliseconds(patience)));
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEFUNCTION, &on_write);
    set(CURLOPT_WRITEDATA, &exchange);
    set(CURLOPT_PREREQFUNCTION, &on_attempt);
    set(CURLOPT_PREREQDATA, &exchange);
    exchange.may_connect = way.may_connect;
    if (way.may_connect != nullptr) {
      set(CURLOPT_OPENSOCKETFUNCTION, &on_address);
      set(CURLOPT_OPENSOCKETDATA, &exchange);
    }
    set_trust(way);
    set_proxy(way.proxy);
    set_request(way, exchange.request);
  }

  void set_trust(const Way& way) {
    for (const CURLoption file : {CURLOPT_CAINFO, CURLOPT_CAPATH, CURLOPT_PROXY_CAINFO, CURLOPT_PROXY_CAPATH}) {
      set(file, static_cast<const char*>(nullptr));
    }
    set(CURLOPT_SSL_CTX_FUNCTION, &on_tls_context);
    set(CURLOPT_SSL_CTX_DATA, &identity_.identity);
    // A resumed session would skip the check of the certificate.
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    for (const CURLoption peer : {CURLOPT_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYPEER})
      set(peer, way.verify ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, way.verify && way.verify_name ? 2L : 0L);
    set(CURLOPT_PROXY_SSL_VERIFYHOST, way.verify ? 2L : 0L);
  }

  void set_proxy(const ProxyConfig& proxy) {
    // Empty: none, whatever the environment says. As in Go programs, any SOCKS proxy looks up the server's name itself.
    const bool socks = proxy.url.rfind("socks5://", 0) == 0;
    set(CURLOPT_PROXY, (socks ? "socks5h" + proxy.url.substr(proxy.url.find(':')) : proxy.url).c_str());
    set(CURLOPT_NOPROXY, "");
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // a proxy that tunnels sees none of our headers
    if (proxy.user.empty()) return;
    set(CURLOPT_PROXYUSERNAME, proxy.user.c_str());
    set(CURLOPT_PROXYPASSWORD, proxy.password.reveal().c_str());
  }

  void set_request(const Way& way, const Request& request) {
    set(CURLOPT_URL, (way.base + request.target).c_str());
    connect_to_.reset();
    if (!way.connect_to.empty()) {
      append(connect_to_, way.connect_to);
      set(CURLOPT_CONNECT_TO, connect_to_.get());
    }
    if (request.method == Method::kHead) set(CURLOPT_NOBODY, 1L);
    if (!is_read(request.method)) {
      const bool body = !request.body.empty() || request.method != Method::kDelete;
      if (body) {
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(CURLOPT_POSTFIELDS, request.body.data());
      }
      set(CURLOPT_CUSTOMREQUEST, to_string(request.method));
    }
    headers_.reset();
    // Without a value: left out, instead of what libcurl would send by itself.
    for (const char* own : {"Expect:", "Accept:", "Content-Type:"}) {
      if (!find_header(request.headers, std::string_view(own).substr(0, std::string_view(own).size() - 1))) {
        append(headers_, own);
      }
    }
    if (!way.authority.empty()) append(headers_, "Host: " + way.authority);
    for (const Header& header : request.headers) {
      append(headers_, header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
  }

  const TlsIdentitySource::Snapshot identity_;
  const SteadyTime made_at_;
  char error_text_[CURL_ERROR_SIZE] = {};
  CURLcode refused_ = CURLE_OK;
  long verified_ = X509_V_OK;
  long os_error_ = 0;
  bool attached_ = false;
  curl_socket_t socket_ = CURL_SOCKET_BAD;
  Strings headers_;
  Strings connect_to_;
  Multi multi_;  // before easy_: libcurl wants its easy handles freed first
  Easy easy_;
};

// ---- the transport ----

class CurlTransport final : public Transport {
 public:
  CurlTransport(Way way, const TransportOptions& options, std::shared_ptr<TlsIdentitySource> identity, Clock& clock)
      : way_(std::move(way)),
        options_(options),
        identity_(std::move(identity)),
        clock_(clock),
        slots_(options.maximum_requests) {}

  Result<Response> send(const Request& request, SteadyTime deadline, std::stop_token stop) override {
    if (auto refused = check(request); !refused) return fail(refused.error());
    const auto slot = slots_.acquire(clock_, deadline, stop);
    if (!slot || clock_.steady_now() >= deadline) return too_late(stop);
    std::string body;
    const auto share = std::make_shared<ReceiveBudget::Share>(receive_budget());
    bool too_large = false;
    Exchange exchange(request, clock_, [&](std::string_view piece) {
      too_large = !share->grow(piece.size()) || body.size() + piece.size() > options_.maximum_body;
      if (!too_large) body += piece;
      return !too_large;
    });
    std::unique_ptr<Line> line = pooled_line();
    const auto code = line->run(
        way_, exchange, [&] { return deadline; }, stop);
    if (!code) return too_late(stop);
    if (too_large) return body_too_large(options_.maximum_body);
    if (is_head_too_large(exchange, code)) return head_too_large(kMaximumHead);
    if (exchange.refused && !exchange.connecting) {
      return fail(ErrorCode::kPermissionDenied, way_.base + " stands for an address that must not be connected to");
    }
    if (*code != CURLE_OK || !exchange.answered) return fail(classify(*code, line->trouble()));
    pool_.lock()->push_back(std::move(line));
    return Response{exchange.status, std::move(exchange.headers), std::move(body), share};
  }

  Result<StreamEnd> stream(const Request& request, LineSink& sink, Duration idle_timeout,
                           std::stop_token stop) override {
    if (auto refused = check(request); !refused) return fail(refused.error());
    if (stop.stop_requested()) return too_late(stop);
    LineSplitter splitter(options_.maximum_line);
    StreamEnd end;
    std::optional<StreamEnd::Cause> cause;
    Exchange exchange(request, clock_, [&](std::string_view piece) {
      if (exchange.status >= 400) {
        return append_refusal(end.body, piece);
      }
      cause = to_cause(splitter.feed(piece, sink));
      return !cause && !stop.stop_requested();
    });
    Line line(identity_->current(), clock_.steady_now());
    const auto code = line.run(
        way_, exchange, [&] { return exchange.last_byte + idle_timeout; }, stop);
    if (stop.stop_requested() || (!code && !exchange.answered)) return too_late(stop);
    if (!exchange.answered && is_head_too_large(exchange, code)) return head_too_large(kMaximumHead);
    if (!exchange.answered) return fail(classify(*code, line.trouble()));
    end.status = exchange.status;
    end.headers = std::move(exchange.headers);
    if (cause) {
      end.cause = *cause;
    } else if (!code) {
      end.cause = StreamEnd::Cause::kIdleTimeout;
    } else if (end.status >= 400) {
      end.cause = StreamEnd::Cause::kRefusedByServer;
    } else if (*code != CURLE_OK) {
      end.cause = StreamEnd::Cause::kBroken;
    } else {
      end.cause = to_cause(splitter.finish(sink)).value_or(StreamEnd::Cause::kEndOfStream);
    }
    return end;
  }

 private:
  // libcurl sends headers as they are.
  static Result<void> check(const Request& request) {
    for (const Header& header : request.headers) {
      if ((header.name + header.value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
        return fail(ErrorCode::kInvalidArgument, "the header " + header.name + " of a request has a line break in it");
      }
    }
    return {};
  }

  // The one used last, so that those which are not needed grow old.
  std::unique_ptr<Line> pooled_line() {
    TlsIdentitySource::Snapshot identity = identity_->current();
    const SteadyTime now = clock_.steady_now();
    std::vector<std::unique_ptr<Line>> stale;  // closed after the lock is released
    {
      auto pool = pool_.lock();
      const auto first_stale = std::stable_partition(pool->begin(), pool->end(), [&](const auto& line) {
        return line->usable(identity.generation, now, options_.maximum_connection_age);
      });
      std::move(first_stale, pool->end(), std::back_inserter(stale));
      pool->erase(first_stale, pool->end());
      if (!pool->empty()) {
        std::unique_ptr<Line> line = std::move(pool->back());
        pool->pop_back();
        return line;
      }
    }
    return std::make_unique<Line>(std::move(identity), now);
  }

  const Way way_;
  const TransportOptions options_;
  const std::shared_ptr<TlsIdentitySource> identity_;
  Clock& clock_;
  RequestSlots slots_;
  Guarded<std::vector<std::unique_ptr<Line>>> pool_;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_curl_transport(const ClientConfig& config, const TransportOptions& options,
                                                       std::shared_ptr<TlsIdentitySource> identity, Clock& clock,
                                                       CertificateName name) {
  if (const auto loaded = load_libcurl(); !loaded) return fail(loaded.error());
  auto way = find_way(config);
  if (!way) return fail(way.error());
  way->verify_name = name == CertificateName::kServer;
  way->may_connect = options.may_connect;
  return std::make_unique<CurlTransport>(std::move(*way), options, std::move(identity), clock);
}

}  // namespace imageclassifier::kubernetes
