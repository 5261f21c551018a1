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
    const auto amount = [&summary](const char* name) {
        return size_text(static_cast<std::uint64_t>(summary.number(name)));
    };
    const bool dry = summary.flag("dry_run");
    invocation.terminal().result(fmt::format(
        "{}{} packs removed, {} repacked, {} freed, {} unused left", dry ? "dry run: " : "",
        summary.number("packs_removed"), summary.number("packs_repacked"), amount("bytes_freed"),
        amount("bytes_unused_left")));
    if (const std::int64_t joined = summary.number("segments_joined"); joined > 0) {
        invocation.terminal().say(fmt::format("{} small index segments joined", joined));
    }
    if (const std::int64_t waiting = summary.number("waiting_for"); waiting > 0) {
        invocation.terminal().warn(fmt::format("{} backup{} still running: what was condemned is "
                                               "removed by a later prune, or now with --wait",
                                               waiting, waiting == 1 ? " is" : "s are"));
    }
}

int run(Invocation& invocation)
{
    const backstay::Options options = invocation.options("prune");
    const backstay::Repository repository = invocation.repository();
    return run_job(
        invocation, repository.prune(&options, &invocation.cancel()),
        {[&](const backstay::Record& step) {
             if (invocation.verbose() || invocation.has("dry-run")) {
                 invocation.terminal().result(fmt::format(
                     "{:<8} {} ({}, {} unused)", step.text("action"), step.text("object"),
                     size_text(static_cast<std::uint64_t>(step.number("bytes"))),
                     size_text(static_cast<std::uint64_t>(step.number("bytes_unused")))));
             }
         },
         [&](const backstay::Record& summary) { finish(invocation, summary); }});
}

} // namespace

Command prune_command()
{
    return {"prune",
            "Give back the space of what no snapshot needs",
            "backstay -r /mnt/backups prune --max-unused 5% --dry-run",
            {},
            {"prune"},
            {},
            {},
            run};
}

} // namespace command
