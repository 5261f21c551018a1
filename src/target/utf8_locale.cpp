#include "target/utf8_locale.hpp"

#include "base/error.hpp"

namespace backstay::core
{

Utf8Locale::Utf8Locale() : own_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr))
{
    if (!own_) {
        throw Error(ErrorCode::unsupported,
                    "this system has no locale C.UTF-8, which names in archives need");
    }
    before_ = uselocale(own_.get());
}

Utf8Locale::~Utf8Locale()
{
    uselocale(before_);
}

} // namespace backstay::core
