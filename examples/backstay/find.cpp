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
    backstay::Options options = invocation.options("find");
    for (const std::string& pattern : invocation.positionals("PATTERN")) {
        options.add("pattern", pattern);
    }
    const backstay::Repository repository = invocation.repository();
    std::string snapshot;
    return run_job(invocation, repository.find(&options, &invocation.cancel()),
                   {[&](const backstay::Record& entry) {
                       if (entry.text("snapshot") != snapshot) {
                           snapshot = entry.text("snapshot");
                           invocation.terminal().say(
                               fmt::format("in snapshot {}:", short_id(snapshot)));
                       }
                       invocation.terminal().result(
                           fmt::format("{}:{}", short_id(snapshot), path_text(entry.text("path"))));
                   }});
}

} // namespace

Command find_command()
{
    return {"find",
            "Find entries by name or path in all snapshots",
            "backstay -r /mnt/backups find '*.conf' --snapshot latest",
            {{"PATTERN", "A pattern as in gitignore", Positional::Count::many}},
            {"find"},
            {"pattern"},
            {},
            run};
}

} // namespace command
