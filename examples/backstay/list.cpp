#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

int run_list(Invocation& invocation)
{
    backstay::Options options("objects");
    options.set("kind",
                invocation.positional("KIND").empty() ? "all" : invocation.positional("KIND"));
    const backstay::Repository repository = invocation.repository();
    return run_job(invocation, repository.objects(&options, &invocation.cancel()),
                   {[&](const backstay::Record& object) {
                       invocation.terminal().result(
                           fmt::format("{:>12} {} {}", object.number("size"),
                                       time_text(object, "modified"), object.text("name")));
                   }});
}

int run_show(Invocation& invocation)
{
    const backstay::Repository repository = invocation.repository();
    invocation.terminal().result(
        repository.describe_object(invocation.positional("NAME"), &invocation.cancel()));
    return exit_done;
}

} // namespace

Command list_command()
{
    return {"list",
            "List raw objects, for support",
            "backstay -r /mnt/backups list packs",
            {{"KIND", "config, keyring, keys, packs, index, sessions, snapshots, notes, gc, or all",
              Positional::Count::optional}},
            {},
            {},
            {},
            run_list};
}

Command show_object_command()
{
    return {"show-object",
            "Tell what a raw object is, for support",
            "backstay -r /mnt/backups show-object config/1",
            {{"NAME", "As list prints it"}},
            {},
            {},
            {},
            run_show};
}

} // namespace command
