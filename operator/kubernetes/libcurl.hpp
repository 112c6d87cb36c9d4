#pragma once

#include <curl/curl.h>

#include "common/result.hpp"

namespace imageclassifier::kubernetes {

/// The functions of libcurl that we call, found in the library when they are first asked for: with what it brings along
/// (Kerberos, LDAP, a second TLS library) it is a sixth of the memory of an operator that has nothing to do, and only
/// `--transport=curl` and endpoints need it.
struct Libcurl {
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_free) free;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_perform) multi_perform;
  decltype(&::curl_multi_poll) multi_poll;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_wakeup) multi_wakeup;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_url) url;
  decltype(&::curl_url_cleanup) url_cleanup;
  decltype(&::curl_url_get) url_get;
  decltype(&::curl_url_set) url_set;
};

/// Loads and initializes the library the first time; it stays until the process ends. kUnsupported: it is not there, or
/// does not work. Thread safe.
Result<const Libcurl*> load_libcurl();

/// The loaded library, for whoever holds a handle of it. load_libcurl() must have succeeded before.
const Libcurl& curl();

}  // namespace imageclassifier::kubernetes
