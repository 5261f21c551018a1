#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/format.h>

namespace command
{

namespace
{

void show(Invocation& invocation, const backstay::Record& record)
{
    const std::string type = record.type();
    const std::string path = printable(record.text("path"));
    if (type == "entry") {
        invocation.terminal().result("/" + path);
    } else if (type == "step" || type == "conflict") {
        invocation.terminal().result(
            fmt::format("{:<8} {}{}", record.text("action"), path,
                        record.text("message").empty() ? "" : ": " + record.text("message")));
    } else if (type == "space") {
        invocation.terminal().result(
            fmt::format("needs {}", size_text(static_cast<std::uint64_t>(record.number("bytes")))));
    }
}

void finish(Invocation& invocation, const backstay::Record& summary)
{
    if (summary.flag("dry_run")) {
        invocation.terminal().say("dry run: nothing was restored");
        return;
    }
    invocation.terminal().say(
        fmt::format("{} entries restored, {} written, {} were there already, in {}{}",
                    summary.number("entries"),
                    size_text(static_cast<std::uint64_t>(summary.number("bytes_written"))),
                    size_text(static_cast<std::uint64_t>(summary.number("bytes_reused"))),
                    duration_text(summary.seconds("seconds")), problems_text(summary)));
}

int run(Invocation& invocation)
{
    if (invocation.has("to") == invocation.has("in-place")) {
        throw UsageError("say where to restore: either --to DIR or --in-place");
    }
    const auto [name, path] = Invocation::split(invocation.positional("SNAPSHOT[:PATH]"));
    backstay::Options place = invocation.options("target.directory");
    if (invocation.has("to")) {
        place.add("path", invocation.value("to"));
    }
    const backstay::Options options = invocation.options("restore");
    const backstay::Target target = backstay::Target::directory(invocation.engine(), place);
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot = invocation.snapshot(repository, name);
    return run_job(invocation, snapshot.restore(path, target, &options, &invocation.cancel()),
                   {[&](const backstay::Record& record) { show(invocation, record); },
                    [&](const backstay::Record& summary) { finish(invocation, summary); }});
}

} // namespace

Command restore_command()
{
    return {"restore",
            "Restore files, to a folder or to where they came from",
            "backstay -r /mnt/backups restore latest:/etc --to /tmp/etc --verify",
            {{"SNAPSHOT[:PATH]", "A snapshot, and what of it: its content goes into DIR; the whole "
                                 "goes to DIR/<full path>"}},
            {"restore", "target.directory", "filter"},
            {"path", "kind"},
            {{"to", "DIR", "The folder to restore into"}},
            run};
}

} // namespace command
