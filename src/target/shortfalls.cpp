#include "target/shortfalls.hpp"

#include <cerrno>
#include <fmt/core.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace backstay::core
{

namespace
{

bool is_about_rights(int system_error)
{
    return system_error == EPERM || system_error == EACCES;
}

std::string reason(int system_error)
{
    if (system_error == 0) {
        return {};
    }
    const bool root_would_help = is_about_rights(system_error) && geteuid() != 0;
    return fmt::format(" ({}{})", std::generic_category().message(system_error),
                       root_would_help ? "; root could" : "");
}

} // namespace

void Shortfalls::add(const std::string& what, const std::string& path, int system_error)
{
    const std::lock_guard lock(mutex_);
    Kind& kind = kinds_[what];
    if (kind.count++ == 0) {
        kind.first_path = path;
        kind.system_error = system_error;
    }
}

void Shortfalls::report(const TargetEvents& events)
{
    std::map<std::string, Kind> kinds;
    {
        const std::lock_guard lock(mutex_);
        kinds.swap(kinds_);
    }
    for (const auto& [what, kind] : kinds) {
        RestoreProblem problem;
        problem.code =
            is_about_rights(kind.system_error) ? ErrorCode::denied : ErrorCode::unsupported;
        problem.path = kind.first_path;
        problem.message = what + reason(kind.system_error);
        if (kind.count > 1) {
            problem.message += fmt::format(", here and in {} more", kind.count - 1);
        }
        if (events.problem) {
            events.problem(std::move(problem));
        }
    }
}

} // namespace backstay::core
