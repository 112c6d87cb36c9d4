#include "operator/kubernetes/received_meter.hpp"

#include <openssl/ssl.h>
#include <openssl/ssl3.h>

#include <utility>

namespace imageclassifier::kubernetes {
namespace {

using Holder = std::shared_ptr<ReceivedMeter>;

void free_holder(void*, void* holder, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Holder*>(holder);
}

int holder_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_holder);
  return kIndex;
}

}  // namespace

bool ReceivedMeter::attach(ssl_ctx_st* context, std::shared_ptr<ReceivedMeter> meter) {
  auto holder = std::make_unique<Holder>(std::move(meter));
  if (SSL_CTX_set_ex_data(context, holder_index(), holder.get()) != 1) return false;
  SSL_CTX_set_msg_callback_arg(context, holder.release()->get());
  SSL_CTX_set_msg_callback(context, [](int sent, int, int type, const void* data, std::size_t size, SSL*, void* to) {
    if (sent != 0 || type != SSL3_RT_HEADER || size != SSL3_RT_HEADER_LENGTH) return;
    const auto* header = static_cast<const unsigned char*>(data);
    static_cast<ReceivedMeter*>(to)->received(size + (std::size_t{header[3]} << 8U) + header[4]);
  });
  return true;
}

void ReceivedMeter::start(std::size_t limit, std::function<void()> over) {
  std::lock_guard hold(mutex_);
  drop();
  limit_ = limit;
  over_ = std::move(over);
}

void ReceivedMeter::set_limit(std::size_t limit) {
  std::lock_guard hold(mutex_);
  limit_ = limit;
}

void ReceivedMeter::handed_on() {
  std::lock_guard hold(mutex_);
  drop();
}

void ReceivedMeter::drop() {
  share_.shrink(held_);
  held_ = 0;
}

void ReceivedMeter::received(std::size_t bytes) {
  std::function<void()> over;
  {
    std::lock_guard hold(mutex_);
    held_ += bytes;
    const bool affordable = share_.grow(bytes);
    if (held_ > limit_ || !affordable) over = std::exchange(over_, nullptr);
  }
  if (over) over();
}

}  // namespace imageclassifier::kubernetes
