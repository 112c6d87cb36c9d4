#pragma once

namespace imageclassifier::kubernetes {

/// Deleter of std::unique_ptr for what a C library gives: std::unique_ptr<BIO, Free<BIO_free>>.
template <auto Function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    Function(object);
  }
};

}  // namespace imageclassifier::kubernetes
