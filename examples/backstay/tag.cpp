#include "invocation.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

void print(Invocation& invocation, const backstay::Snapshot& snapshot)
{
    const backstay::Record record = snapshot.record();
    if (invocation.json()) {
        invocation.terminal().result(record);
        return;
    }
    const std::string tags = printable(joined(record.nested("tags").texts(), ", "));
    invocation.terminal().result(fmt::format("snapshot {}: {}{}", short_id(record.text("id")),
                                             tags.empty() ? "no tags" : "tags " + tags,
                                             record.flag("pinned") ? "; pinned" : ""));
}

int edit(Invocation& invocation, const backstay::Options& changes)
{
    const backstay::Repository repository = invocation.repository();
    backstay::Snapshot snapshot =
        invocation.snapshot(repository, invocation.positional("SNAPSHOT"));
    snapshot.edit(changes, &invocation.cancel());
    print(invocation, snapshot);
    return exit_done;
}

int run_tag(Invocation& invocation)
{
    return edit(invocation, invocation.options("snapshot.edit"));
}

int run_pin(Invocation& invocation)
{
    backstay::Options changes("snapshot.edit");
    return edit(invocation, changes.set_flag("pin"));
}

int run_unpin(Invocation& invocation)
{
    backstay::Options changes("snapshot.edit");
    return edit(invocation, changes.set_flag("unpin"));
}

const Positional which{"SNAPSHOT", "An id, the beginning of one, 'latest' or 'latest~2'"};

} // namespace

Command tag_command()
{
    return {"tag",
            "Change the tags of a snapshot",
            "backstay -r /mnt/backups tag latest --add before-upgrade",
            {which},
            {"snapshot.edit", "filter"},
            {"pin", "unpin", "kind"},
            {},
            run_tag};
}

Command pin_command()
{
    return {"pin",
            "Pin a snapshot: forget never takes it",
            "backstay -r /mnt/backups pin latest",
            {which},
            {"filter"},
            {"kind"},
            {},
            run_pin};
}

Command unpin_command()
{
    return {"unpin",
            "Take a snapshot's pin away",
            "backstay -r /mnt/backups unpin 3f2a81",
            {which},
            {"filter"},
            {"kind"},
            {},
            run_unpin};
}

} // namespace command
