#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    const auto [before_name, before_path] = Invocation::split(invocation.positional("A"));
    const auto [after_name, after_path] = Invocation::split(invocation.positional("B"));
    const backstay::Options options = invocation.options("diff");
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot before = invocation.snapshot(repository, before_name);
    const backstay::Snapshot after = invocation.snapshot(repository, after_name);
    return run_job(
        invocation, before.diff(before_path, after, after_path, &options, &invocation.cancel()),
        {[&](const backstay::Record& record) {
             const std::string change = record.text("change");
             const char sign = change == "added" ? '+' : change == "removed" ? '-' : 'M';
             const std::string what =
                 record.has("what") ? " (" + joined(record.nested("what").texts(), ", ") + ")" : "";
             invocation.terminal().result(
                 fmt::format("{} {}{}", sign, path_text(record.text("path")), what));
         },
         [&](const backstay::Record& summary) {
             invocation.terminal().say(
                 fmt::format("{} added, {} removed, {} modified", summary.number("added"),
                             summary.number("removed"), summary.number("modified")));
         }});
}

} // namespace

Command diff_command()
{
    return {"diff",
            "Compare two snapshots, or parts of them",
            "backstay -r /mnt/backups diff latest~1 latest",
            {{"A", "The earlier: SNAPSHOT[:PATH]"}, {"B", "The later: SNAPSHOT[:PATH]"}},
            {"diff", "filter"},
            {"kind"},
            {},
            run};
}

} // namespace command
