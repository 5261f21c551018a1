#include "invocation.hpp"

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    const char* text = "There is nothing to unlock: backstay has no locks. Any number of backups, "
                       "restores, forgets and prunes may run at once.\n"
                       "A backup that died leaves nothing in the way; 'backstay prune' clears up "
                       "after it. To end a backup that hangs on another machine, "
                       "run 'backstay prune --fence-after 0s'.";
    if (invocation.json()) {
        backstay::Record summary;
        summary.set("type", "summary").set("command", "unlock").set("message", text);
        invocation.terminal().result(summary);
    } else {
        invocation.terminal().result(text);
    }
    return exit_done;
}

} // namespace

Command unlock_command()
{
    return {"unlock",
            "Say that there is nothing to unlock, and what to do instead",
            "backstay unlock",
            {},
            {},
            {},
            {},
            run};
}

} // namespace command
