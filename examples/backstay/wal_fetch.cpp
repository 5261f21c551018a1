#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

namespace command
{

namespace
{

/// A server that recovers takes 1 to 125 for the end of the log, and stops at more.
constexpr int exit_stops_recovery = 126;

int fetch(Invocation& invocation, const backstay::Repository& repository)
{
    backstay::Options options = invocation.options("wal.fetch");
    options.add("name", invocation.positional("NAME"));
    options.add("to", invocation.positional("FILE"));
    return run_job(invocation, repository.wal_fetch(&options, &invocation.cancel()), {});
}

int run(Invocation& invocation)
{
    bool is_open = false;
    try {
        const backstay::Repository repository = invocation.repository();
        is_open = true;
        return fetch(invocation, repository);
    } catch (const backstay::Error& error) {
        if (is_open && error.status() == BACKSTAY_E_NOT_FOUND) {
            throw;
        }
        invocation.terminal().error(printable(error.what()));
        return exit_stops_recovery;
    }
}

} // namespace

Command wal_fetch_command()
{
    return {
        "wal-fetch",
        "Fetch a file of PostgreSQL's write-ahead log: for restore_command. Exit status 1 if there "
        "is none, 126 for any other failure",
        "backstay -r /mnt/backups --key-file /etc/backstay/key wal-fetch 000000010000000000000003 "
        "pg_wal/RECOVERYXLOG",
        {{"NAME", "What the server names as %f"}, {"FILE", "What it names as %p"}},
        {"wal.fetch"},
        {"name", "to"},
        {},
        run};
}

} // namespace command
