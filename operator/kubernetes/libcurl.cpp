#include "operator/kubernetes/libcurl.hpp"

#include <dlfcn.h>

#include <string>

namespace imageclassifier::kubernetes {
namespace {

constexpr const char* kFile = "libcurl.so.4";

Libcurl functions;

tl::unexpected<Error> unusable(const std::string& why) {
  return fail(ErrorCode::kUnsupported, "libcurl cannot be used, install libcurl 7.85 or later: " + why);
}

Result<const Libcurl*> load() {
  void* const library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return unusable(dlerror());
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    void* const found = dlsym(library, name);
    if (found == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  find(functions.easy_cleanup, "curl_easy_cleanup");
  find(functions.easy_getinfo, "curl_easy_getinfo");
  find(functions.easy_init, "curl_easy_init");
  find(functions.easy_reset, "curl_easy_reset");
  find(functions.easy_setopt, "curl_easy_setopt");
  find(functions.easy_strerror, "curl_easy_strerror");
  find(functions.free, "curl_free");
  find(functions.multi_add_handle, "curl_multi_add_handle");
  find(functions.multi_cleanup, "curl_multi_cleanup");
  find(functions.multi_info_read, "curl_multi_info_read");
  find(functions.multi_init, "curl_multi_init");
  find(functions.multi_perform, "curl_multi_perform");
  find(functions.multi_poll, "curl_multi_poll");
  find(functions.multi_remove_handle, "curl_multi_remove_handle");
  find(functions.multi_setopt, "curl_multi_setopt");
  find(functions.multi_wakeup, "curl_multi_wakeup");
  find(functions.slist_append, "curl_slist_append");
  find(functions.slist_free_all, "curl_slist_free_all");
  find(functions.url, "curl_url");
  find(functions.url_cleanup, "curl_url_cleanup");
  find(functions.url_get, "curl_url_get");
  find(functions.url_set, "curl_url_set");
  decltype(&::curl_global_init) initialize = nullptr;
  find(initialize, "curl_global_init");
  if (!missing.empty()) return unusable(std::string(kFile) + " has no " + missing);
  const CURLcode code = initialize(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) return unusable(functions.easy_strerror(code));
  return &functions;
}

}  // namespace

Result<const Libcurl*> load_libcurl() {
  static const Result<const Libcurl*> kLoaded = load();
  return kLoaded;
}

const Libcurl& curl() {
  return functions;
}

}  // namespace imageclassifier::kubernetes
