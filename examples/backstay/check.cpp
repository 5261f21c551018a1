#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

void finish(Invocation& invocation, const backstay::Record& summary)
{
    Terminal& terminal = invocation.terminal();
    terminal.say(fmt::format("{} snapshots, {} packs, {} blobs, {} read, in {}",
                             summary.number("snapshots"), summary.number("packs"),
                             summary.number("blobs"),
                             size_text(static_cast<std::uint64_t>(summary.number("bytes_checked"))),
                             duration_text(summary.seconds("seconds"))));
    const std::int64_t problems = summary.number("problems");
    if (summary.number("packs_unindexed") > 0) {
        terminal.say(
            fmt::format("{} packs ({}) are in no index: left by an interrupted backup, or of one "
                        "that is running{}",
                        summary.number("packs_unindexed"),
                        size_text(static_cast<std::uint64_t>(summary.number("bytes_unindexed"))),
                        problems == 0 ? "; prune removes them" : ", or named by what is lost"));
    }
    if (problems == 0) {
        terminal.result("the repository is whole");
    } else if (summary.text("verdict") == "problems") {
        terminal.result(fmt::format("no damage was found, but {} of the packs could not be read",
                                    summary.number("packs_unread")));
    } else {
        terminal.result(terminal.red(fmt::format("the repository is damaged: {} problem{}",
                                                 problems, problems == 1 ? "" : "s")));
    }
}

int run(Invocation& invocation)
{
    backstay::Options options("check");
    if (invocation.has("read-data")) {
        const std::string part = invocation.value("read-data");
        options.set("read-data", part.empty() || part == "true" ? std::string("100%") : part);
    }
    const backstay::Repository repository = invocation.repository();
    return run_job(invocation, repository.check(&options, &invocation.cancel()),
                   {{}, [&](const backstay::Record& summary) { finish(invocation, summary); }});
}

} // namespace

Command check_command()
{
    return {
        "check",
        "Is the repository whole? Exit status 5 when not",
        "backstay -r /mnt/backups check --read-data=10%",
        {},
        {},
        {},
        {{"read-data", "PERCENT",
          "Read the contents, too: of this part of the packs, all if none is given", '\0', true}},
        run};
}

} // namespace command
