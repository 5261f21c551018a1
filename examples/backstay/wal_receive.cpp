#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

void show(Invocation& invocation, const backstay::Record& record)
{
    if (record.type() == "segment") {
        invocation.terminal().say(
            fmt::format("{}: {} stored", record.text("name"),
                        size_text(static_cast<std::uint64_t>(record.number("bytes_stored")))));
    }
}

int run(Invocation& invocation)
{
    backstay::Options options = invocation.options("wal.receive");
    options.add("conninfo", invocation.value("postgres"));
    const backstay::Repository repository = invocation.repository();
    return run_job(invocation, repository.wal_receive(&options, &invocation.cancel()),
                   {[&](const backstay::Record& record) { show(invocation, record); }, {}});
}

} // namespace

Command wal_receive_command()
{
    return {"wal-receive",
            "Receive PostgreSQL's write-ahead log from a replication slot, until it is interrupted",
            "backstay -r /mnt/backups wal-receive --postgres 'host=db1 user=backup' --create-slot",
            {},
            {"wal.receive"},
            {"conninfo"},
            {{"postgres", "CONNINFO", "The server (connection string or URI, without a password)"}},
            run};
}

} // namespace command
