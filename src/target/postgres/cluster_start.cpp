#include "target/postgres/cluster_start.hpp"

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "postgres/programs.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr const char* log_name = "start.log";
constexpr std::size_t told_of_log = 2000;
constexpr std::size_t most_of_log = 16 * MiB;
constexpr std::size_t most_output = 1 * MiB;
/// Until the log that makes it consistent is applied; whoever loses patience may interrupt.
constexpr const char* patience_s = "86400";

std::string end_of_log(const std::string& path)
{
    try {
        const Bytes log = read_small_file(path, most_of_log);
        const std::size_t size = std::min(log.size(), told_of_log);
        std::string text(as_text(ByteSpan(log).last(size)));
        std::replace(text.begin(), text.end(), '\n', ' ');
        return text;
    } catch (const Error&) {
        return "it wrote no log";
    }
}

std::vector<std::string> words_of(const ClusterStart& start, const std::string& directory,
                                  const FileOwner& owner)
{
    std::vector<std::string> words{"env", "--chdir=/"}; // the owner may not be let in here
    if (owner.is_given) {                               // no server runs as root
        words.insert(words.end(), {"setpriv", fmt::format("--reuid={}", owner.user),
                                   fmt::format("--regid={}", owner.group), "--clear-groups", "--"});
    }
    const std::vector<std::string> command{
        start.program, "-D", directory, "-l", directory + "/" + log_name, "-w", "-t", patience_s};
    words.insert(words.end(), command.begin(), command.end());
    if (!start.options.empty()) {
        words.insert(words.end(), {"-o", start.options});
    }
    words.push_back("start");
    return words;
}

} // namespace

std::string find_pg_ctl(const std::string& folder, int major, const std::stop_token& stop)
{
    const PostgresProgram found = find_postgres_program("pg_ctl", folder, major, stop);
    if (found.major != major) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("a cluster of version {} starts with the programs of that version "
                                "only, but {} is of {}: name their folder by postgres-programs",
                                major, found.path, found.version));
    }
    return found.path;
}

void start_cluster(const ClusterStart& start, const std::string& directory, const FileOwner& owner,
                   const std::stop_token& stop)
{
    const std::string place = std::filesystem::absolute(directory).string();
    ChildProcess child({words_of(start, place, owner), postgres_program_environment()});
    child.read_all(most_output, stop);
    const ChildProcess::Exit exit = child.wait(stop);
    if (!exit.good) {
        throw Error(ErrorCode::target,
                    fmt::format("the cluster is laid out, but its server does not start: pg_ctl "
                                "{}; the server's log ends with: {}",
                                exit.message, end_of_log(directory + "/" + log_name)),
                    directory);
    }
}

} // namespace backstay::core
