#pragma once

#include <locale.h>
#include <memory>
#include <type_traits>

namespace backstay::core
{

/// Gives the calling thread the locale C.UTF-8 for as long as it lives, for libarchive, which reads
/// names by it; the host's own locale is not touched.
class Utf8Locale
{
public:
    Utf8Locale();
    ~Utf8Locale();
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

private:
    struct Free {
        void operator()(locale_t locale) const noexcept { freelocale(locale); }
    };
    std::unique_ptr<std::remove_pointer_t<locale_t>, Free> own_;
    locale_t before_ = nullptr;
};

} // namespace backstay::core
