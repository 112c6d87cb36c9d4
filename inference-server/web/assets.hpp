#pragma once

#include <string_view>

/// The files of assets/, made into constants at build (assets.cpp.in).
namespace imageclassifier::web::assets {

extern const std::string_view kLayout;
extern const std::string_view kIndex;
extern const std::string_view kAppCss;
extern const std::string_view kAppJs;
extern const std::string_view kOpenapi;

}  // namespace imageclassifier::web::assets
