#include "repo/process_identity.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <limits>
#include <string_view>
#include <unistd.h>

namespace backstay::core
{

namespace
{

/// Empty if it cannot be read.
std::string read_line(const std::string& path)
{
    try {
        const Bytes bytes = read_small_file(path, 4 * KiB);
        const std::string_view text = as_text(bytes);
        return std::string(text.substr(0, text.find('\n')));
    } catch (const Error&) {
        return {};
    }
}

std::string link_text(const char* path)
{
    std::array<char, 256> text{};
    const ssize_t size = ::readlink(path, text.data(), text.size());
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

} // namespace

std::string host_name()
{
    std::array<char, 257> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) {
        return "localhost";
    }
    return name.data();
}

std::string boot_id()
{
    const std::string boot = read_line("/proc/sys/kernel/random/boot_id");
    const std::string process_ids = link_text("/proc/self/ns/pid");
    return boot.empty() || process_ids.empty() ? std::string() : boot + " " + process_ids;
}

std::optional<std::uint64_t> process_start(std::uint64_t process)
{
    const std::string line = read_line("/proc/" + std::to_string(process) + "/stat");
    // Field 2 is the program's name in parentheses and may hold anything; field 22 is the start.
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) {
        return std::nullopt;
    }
    std::string_view rest = std::string_view(line).substr(name_end + 1);
    for (int field = 2; field < 22; ++field) {
        const std::size_t blank = rest.find(' ');
        if (blank == std::string_view::npos) {
            return std::nullopt;
        }
        rest.remove_prefix(blank + 1);
    }
    std::uint64_t start = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), start);
    return error == std::errc{} ? std::optional(start) : std::nullopt;
}

bool process_has_ended(std::uint64_t process, std::uint64_t start)
{
    if (process == 0 || process > static_cast<std::uint64_t>(std::numeric_limits<pid_t>::max())) {
        return false;
    }
    // /proc may hide other users' processes; a signal of 0 tells them from none.
    if (::kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH) {
        return true;
    }
    const auto runs_since = process_start(process);
    return start != 0 && runs_since && *runs_since != start;
}

} // namespace backstay::core
