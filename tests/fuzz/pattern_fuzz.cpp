#include "base/path_pattern.hpp"
#include "canonical.hpp"

#include <algorithm>

using namespace backstay::core;

// An input is lines: a path, then patterns.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::string_view rest = as_text({data, size});
    const auto next_line = [&rest] {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        return line;
    };
    const std::string_view path = next_line();
    PathPatterns sensitive;
    PathPatterns ignoring;
    while (!rest.empty()) {
        const std::string_view pattern = next_line();
        accepts([&] {
            sensitive.add(pattern);
            ignoring.add(pattern, PathPatterns::Case::ignored);
        });
    }
    for (const bool is_folder : {false, true}) {
        if (sensitive.match(path, is_folder) != sensitive.match(path, is_folder)) {
            found("a pattern matches once and not again");
        }
        ignoring.match(path, is_folder);
    }
    return 0;
}
