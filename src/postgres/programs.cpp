#include "postgres/programs.hpp"

#include "base/child_process.hpp"
#include "base/error.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/core.h>
#include <libpq-fe.h>
#include <memory>
#include <system_error>
#include <unistd.h>

namespace backstay::core
{

namespace
{

namespace fs = std::filesystem;

constexpr std::size_t longest_version = 4096;
constexpr unsigned patience_s = 60; ///< for a program to say which it is

bool is_program(const fs::path& path)
{
    return ::access(path.c_str(), X_OK) == 0;
}

/// Debian's wrapper asks its own clusters which version is meant; we know.
bool is_wrapper(const fs::path& path)
{
    std::error_code failed;
    return fs::canonical(path, failed).filename() == "pg_wrapper";
}

std::vector<fs::path> on_path(const std::string& name)
{
    std::vector<fs::path> found;
    const char* variable = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe): read only
    std::string_view rest = variable != nullptr ? variable : "";
    while (!rest.empty()) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        const fs::path path = fs::path(rest.substr(0, colon)) / name;
        if (colon > 0 && is_program(path) && !is_wrapper(path)) {
            found.push_back(path);
        }
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return found;
}

/// Where packages of several versions lie side by side: Debian's, and PostgreSQL's for Red Hat.
std::vector<fs::path> side_by_side(const std::string& name)
{
    std::vector<fs::path> found;
    const auto look = [&](const char* folder, std::string_view prefix) {
        std::error_code failed;
        for (const auto& entry : fs::directory_iterator(folder, failed)) {
            const fs::path path = entry.path() / "bin" / name;
            if (entry.path().filename().string().starts_with(prefix) && is_program(path)) {
                found.push_back(path);
            }
        }
    };
    look("/usr/lib/postgresql", "");
    look("/usr", "pgsql-");
    return found;
}

PostgresProgram ask_version(const fs::path& path, const std::stop_token& stop)
{
    ChildProcess child({{path.string(), "--version"}, postgres_program_environment()});
    const Bytes output = child.read_all(longest_version, stop, patience_s);
    child.wait(stop);
    return parse_postgres_version(path.string(), std::string(as_text(output)));
}

std::string names_of(const std::vector<PostgresProgram>& programs)
{
    std::string names;
    for (const PostgresProgram& program : programs) {
        names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", program.path,
                             program.major > 0 ? program.version : "no version");
    }
    return names;
}

struct FreeOptions {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, FreeOptions>;

ConninfoOptions parse(const std::string& conninfo)
{
    char* reason = nullptr;
    ConninfoOptions options(PQconninfoParse(conninfo.c_str(), &reason));
    const std::unique_ptr<char, decltype(&PQfreemem)> held(reason, PQfreemem);
    if (!options) {
        throw Error(ErrorCode::invalid, fmt::format("this is no connection string: {}",
                                                    reason != nullptr ? reason : "out of memory"));
    }
    return options;
}

bool is_set(const ConninfoOptions& options, std::string_view key)
{
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (key == option->keyword && option->val != nullptr) {
            return true;
        }
    }
    return false;
}

std::string quoted(std::string_view value)
{
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "'";
}

} // namespace

PostgresProgram parse_postgres_version(const std::string& path, const std::string& output)
{
    PostgresProgram program{path, {}, 0};
    constexpr std::string_view product = "(PostgreSQL) ";
    const std::size_t at = output.find(product);
    if (at == std::string::npos) {
        return program;
    }
    const std::string_view rest = std::string_view(output).substr(at + product.size());
    program.version = rest.substr(0, rest.find_first_of(" \n"));
    std::from_chars(program.version.data(), program.version.data() + program.version.size(),
                    program.major);
    return program;
}

PostgresProgram find_postgres_program(const std::string& name, const std::string& folder,
                                      int least_major, const std::stop_token& stop)
{
    std::vector<PostgresProgram> seen;
    const auto first_fit = [&](const std::vector<fs::path>& paths) -> const PostgresProgram* {
        const std::size_t begin = seen.size();
        for (const fs::path& path : paths) {
            seen.push_back(ask_version(path, stop));
        }
        std::stable_sort(seen.begin() + static_cast<std::ptrdiff_t>(begin), seen.end(),
                         [](const auto& a, const auto& b) { return a.major < b.major; });
        const auto fit = std::find_if(
            seen.begin() + static_cast<std::ptrdiff_t>(begin), seen.end(),
            [least_major](const PostgresProgram& one) { return one.major >= least_major; });
        return fit != seen.end() ? &*fit : nullptr;
    };
    if (!folder.empty()) {
        const fs::path path = fs::path(folder) / name;
        if (!is_program(path)) {
            throw Error(ErrorCode::not_found, fmt::format("there is no {} in this folder", name),
                        folder);
        }
        if (const PostgresProgram* fit = first_fit({path}); fit != nullptr) {
            return *fit;
        }
    } else {
        // Who puts one in front of PATH means it.
        for (const fs::path& path : on_path(name)) {
            if (const PostgresProgram* fit = first_fit({path}); fit != nullptr) {
                return *fit;
            }
        }
        if (const PostgresProgram* fit = first_fit(side_by_side(name)); fit != nullptr) {
            return *fit;
        }
    }
    if (seen.empty()) {
        throw Error(ErrorCode::not_found,
                    fmt::format("there is no {} here: install PostgreSQL's client programs, "
                                "version {} or newer (Debian: postgresql-client-{})",
                                name, least_major, least_major),
                    name);
    }
    throw Error(ErrorCode::unsupported,
                fmt::format("{} of version {} or newer is needed, but there is only {}: install a "
                            "newer one (Debian: postgresql-client-{})",
                            name, least_major, names_of(seen), least_major),
                name);
}

std::string postgres_conninfo_for(const std::string& conninfo, const std::string& database)
{
    const ConninfoOptions options = parse(conninfo);
    std::string text;
    const auto add = [&text](std::string_view key, std::string_view value) {
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, quoted(value));
    };
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr && std::string_view(option->keyword) != "dbname") {
            add(option->keyword, option->val);
        }
    }
    constexpr std::pair<const char*, const char*> defaults[] = {
        {"connect_timeout", "30"},
        {"keepalives_idle", "30"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "6"},
    };
    for (const auto& [key, value] : defaults) {
        if (!is_set(options, key)) {
            add(key, value);
        }
    }
    add("dbname", database);
    return text;
}

bool names_postgres_database(const std::string& conninfo)
{
    return is_set(parse(conninfo), "dbname");
}

std::vector<std::string> postgres_program_environment()
{
    return {"LC_ALL=C.UTF-8"};
}

} // namespace backstay::core
