#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

std::vector<std::string> row(const backstay::Record& decision)
{
    return {decision.flag("keep") ? "keep" : "forget",
            short_id(decision.text("snapshot")),
            time_text(decision, "time"),
            printable(decision.text("host")),
            printable(joined(decision.nested("tags").texts(), ",")),
            joined(decision.nested("reasons").texts(), ", ")};
}

int run(Invocation& invocation)
{
    backstay::Options options = invocation.options("forget");
    for (const std::string& snapshot : invocation.positionals("SNAPSHOT")) {
        options.add("snapshot", snapshot);
    }
    const backstay::Repository repository = invocation.repository();
    Table table;
    const int status =
        run_job(invocation, repository.forget(&options, &invocation.cancel()),
                {[&](const backstay::Record& record) {
                     if (record.type() == "decision") {
                         table.add(row(record));
                     }
                 },
                 [&](const backstay::Record& summary) {
                     for (const std::string& line : table.lines()) {
                         invocation.terminal().result(line);
                     }
                     const bool dry = summary.flag("dry_run");
                     invocation.terminal().say(fmt::format(
                         "{} kept, {} {}", summary.number("kept"), summary.number("forgotten"),
                         dry ? "would be forgotten" : "forgotten"));
                     if (summary.has("bytes_freed")) {
                         invocation.terminal().say(fmt::format(
                             "{} freed",
                             size_text(static_cast<std::uint64_t>(summary.number("bytes_freed")))));
                     } else if (summary.number("forgotten") > 0 && !dry) {
                         invocation.terminal().say("their space comes back with 'backstay prune'");
                     }
                 }});
    return status;
}

} // namespace

Command forget_command()
{
    return {
        "forget",
        "Forget snapshots, by policy or by id; tells why each is kept",
        "backstay -r /mnt/backups forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --prune",
        {{"SNAPSHOT", "Forget these, instead of by policy", Positional::Count::any}},
        {"forget"},
        {"snapshot"},
        {},
        run};
}

} // namespace command
