#include "base/clock.hpp"
#include "base/size_text.hpp"
#include "canonical.hpp"
#include "store/store_uri.hpp"

using namespace backstay::core;

namespace
{

void read_time(std::string_view text)
{
    if (text == "now") {
        return;
    }
    const auto time = parse_time(text);
    if (!time) {
        return;
    }
    const std::string shown = format_time(*time);
    const auto again = parse_time(shown);
    if (again && *again != *time) {
        found("a time reads otherwise than it was printed");
    }
    before(*time, {1, 1});
    before(*time, {-1, -1});
}

void read_duration(std::string_view text)
{
    const auto duration = parse_duration(text);
    if (!duration) {
        return;
    }
    if (parse_duration(format_duration(*duration)).value_or(*duration) != *duration) {
        found("a duration reads otherwise than it was printed");
    }
    for (const std::int64_t seconds : {INT64_MIN, std::int64_t{0}, INT64_MAX}) {
        format_time(before({seconds, 0}, *duration));
    }
}

void read_size(std::string_view text)
{
    if (const auto size = parse_size(text)) {
        format_size(*size);
    }
}

/// Only what cannot open anything: no path, no file URL, no host.
void read_uri(std::string_view text)
{
    constexpr std::string_view of_scheme = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    const std::size_t scheme = text.find_first_not_of(of_scheme);
    if (scheme == 0 || scheme == std::string_view::npos ||
        !text.substr(scheme).starts_with("://") || text.starts_with("file://") ||
        text.starts_with("s3")) {
        return;
    }
    if (accepts([&] { open_store_uri(std::string(text), StoreUse::open_existing); })) {
        found("a store of an unknown kind was opened");
    }
}

} // namespace

// An input is a text that a user might give as a time, a span of time, a size or a store.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = as_text({data, size});
    read_time(text);
    read_duration(text);
    read_size(text);
    read_uri(text);
    if (const auto bytes = from_hex(text); bytes && bytes->size() != size / 2) {
        found("hexadecimal digits make another number of bytes");
    }
    is_utf8(text);
    return 0;
}
