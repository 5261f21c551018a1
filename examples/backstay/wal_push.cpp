#include "invocation.hpp"
#include "job_runner.hpp"

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    backstay::Options options("wal.push");
    options.add("path", invocation.positional("FILE"));
    const backstay::Repository repository = invocation.repository();
    return run_job(invocation, repository.wal_push(&options, &invocation.cancel()), {});
}

} // namespace

Command wal_push_command()
{
    return {"wal-push",
            "Store a file of PostgreSQL's write-ahead log: for archive_command",
            "backstay -r /mnt/backups --key-file /etc/backstay/key wal-push "
            "pg_wal/000000010000000000000003",
            {{"FILE", "What the server names as %p"}},
            {"wal.push"},
            {"path"},
            {},
            run};
}

} // namespace command
