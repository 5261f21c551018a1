#include "list_file.hpp"

#include "base/file.hpp"
#include "engine/option_forms.hpp"

#include <unistd.h>

namespace backstay::capi
{

namespace
{

constexpr std::size_t max_list_file = 256 * core::MiB;

std::vector<std::string> pieces_of(const std::string& path, char separator)
{
    const core::Bytes bytes = path == "-"
                                  ? core::read_to_end(STDIN_FILENO, max_list_file, "standard input")
                                  : core::read_small_file(path, max_list_file);
    return core::split_text(core::as_text(bytes), separator);
}

} // namespace

std::vector<std::string> lines_of_file(const std::string& path)
{
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    std::vector<std::string> lines = pieces_of(path, '\n');
    if (!lines.empty() && lines.front().starts_with(byte_order_mark)) {
        lines.front().erase(0, byte_order_mark.size());
    }
    std::vector<std::string> kept;
    for (std::string& line : lines) {
        if (line.ends_with('\r')) {
            line.pop_back();
        }
        if (!line.empty() && line.front() != '#') {
            kept.push_back(std::move(line));
        }
    }
    return kept;
}

std::vector<std::string> items_of_file(const std::string& path)
{
    return pieces_of(path, '\0');
}

} // namespace backstay::capi
