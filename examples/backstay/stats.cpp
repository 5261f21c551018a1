#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

void finish(Terminal& terminal, const backstay::Record& summary)
{
    const auto bytes = [&summary](const char* name) {
        return static_cast<std::uint64_t>(summary.number(name));
    };
    terminal.result(fmt::format("snapshots      {}", summary.number("snapshots")));
    terminal.result(fmt::format("entries        {}", summary.number("entries")));
    terminal.result(fmt::format("size restored  {}", size_text(bytes("bytes_source"))));
    terminal.result(fmt::format("deduplicated   {} in {} blobs", size_text(bytes("bytes")),
                                summary.number("blobs")));
    terminal.result(fmt::format("stored         {} in {} packs ({} with what is not used)",
                                size_text(bytes("bytes_stored")), summary.number("packs"),
                                size_text(bytes("bytes_in_packs"))));
    if (bytes("bytes_stored") > 0) {
        terminal.result(
            fmt::format("ratio          {:.2f}", static_cast<double>(bytes("bytes_source")) /
                                                     static_cast<double>(bytes("bytes_stored"))));
    }
}

int run(Invocation& invocation)
{
    backstay::Options options = invocation.options("stats");
    for (const std::string& snapshot : invocation.positionals("SNAPSHOT")) {
        options.add("snapshot", snapshot);
    }
    const backstay::Repository repository = invocation.repository();
    return run_job(
        invocation, repository.stats(&options, &invocation.cancel()),
        {{}, [&](const backstay::Record& summary) { finish(invocation.terminal(), summary); }});
}

} // namespace

Command stats_command()
{
    return {"stats",
            "Sizes of the repository or of some snapshots",
            "backstay -r /mnt/backups stats latest",
            {{"SNAPSHOT", "Only these", Positional::Count::any}},
            {"stats"},
            {"snapshot"},
            {},
            run};
}

} // namespace command
