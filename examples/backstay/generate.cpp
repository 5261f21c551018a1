#include "completions.hpp"
#include "documentation.hpp"
#include "invocation.hpp"

namespace command
{

namespace
{

/// Used by the build: manual pages and completions come from the same tables as the help.
int run(Invocation& invocation)
{
    const std::string what = invocation.positional("WHAT");
    const std::string name = invocation.positional("NAME");
    if (what == "completions") {
        invocation.terminal().result(completions_for(name));
        return exit_done;
    }
    const std::string version = backstay::describe_library().text("version");
    if (name == "backstay") {
        invocation.terminal().result(manual_of(nullptr, version));
        return exit_done;
    }
    for (const Command& command : commands()) {
        if (name == command.name) {
            invocation.terminal().result(manual_of(&command, version));
            return exit_done;
        }
    }
    throw UsageError("there is no manual page of '" + name + "'");
}

} // namespace

Command generate_command()
{
    return {
        "generate",
        "Print a manual page or completions, for packagers",
        "backstay generate completions bash",
        {{"WHAT", "manual or completions"}, {"NAME", "A command or backstay; bash, zsh or fish"}},
        {},
        {},
        {},
        run,
        false,
        true};
}

} // namespace command
