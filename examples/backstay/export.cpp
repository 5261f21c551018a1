#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>
#include <unistd.h>

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    const auto [name, path] = Invocation::split(invocation.positional("SNAPSHOT[:PATH]"));
    backstay::Options options = invocation.options("target.archive");
    const bool to_file = invocation.has("output") && invocation.value("output") != "-";
    if (to_file) {
        options.add("path", invocation.value("output"));
    } else if (::isatty(STDOUT_FILENO) == 1) {
        throw UsageError(
            "an archive is nothing for a terminal: say -o FILE, or send it down a pipe");
    } else if (invocation.json()) {
        throw UsageError("--json and the archive cannot both go to standard output: say -o FILE");
    }
    const backstay::Target target = backstay::Target::archive(invocation.engine(), options);
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot = invocation.snapshot(repository, name);
    const backstay::Options reading = invocation.options("restore");
    return run_job(invocation, snapshot.restore(path, target, &reading, &invocation.cancel()),
                   {[&](const backstay::Record& record) {
                        if (record.type() == "conflict") {
                            invocation.terminal().warn(fmt::format(
                                "{}: {}; --overwrite replaces it", printable(record.text("path")),
                                record.text("message")));
                        }
                    },
                    [&](const backstay::Record& summary) {
                        invocation.terminal().say(fmt::format(
                            "{} entries exported, {}{}", summary.number("entries"),
                            size_text(static_cast<std::uint64_t>(summary.number("bytes_written"))),
                            problems_text(summary)));
                    }});
}

} // namespace

Command export_command()
{
    return {"export",
            "Write a snapshot, or a part of it, as an archive",
            "backstay -r /mnt/backups export latest:/etc --format tar.zst -o etc.tar.zst",
            {{"SNAPSHOT[:PATH]", "A snapshot, and what of it"}},
            {"target.archive", "restore", "filter"},
            {"target.archive/path", "descriptor", "kind", "include", "exclude", "include-file",
             "strip-components", "verify", "dry-run", "list"},
            {{"output", "FILE", "The archive's file (default: standard output)", 'o'}},
            run};
}

} // namespace command
