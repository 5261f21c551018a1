#include "invocation.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    const backstay::Record library = backstay::describe_library();
    if (invocation.json()) {
        invocation.terminal().result(library);
        return exit_done;
    }
    invocation.terminal().result(fmt::format("backstay {}", library.text("version")));
    if (invocation.has("features")) {
        invocation.terminal().result(
            fmt::format("repository format  {}", library.number("format_version")));
        for (const char* name : {"sources", "targets", "stores"}) {
            invocation.terminal().result(
                fmt::format("{:<18} {}", name, joined(library.nested(name).texts(), ", ")));
        }
        invocation.terminal().result(fmt::format("cryptography       {}", library.text("suite")));
    }
    return exit_done;
}

} // namespace

Command version_command()
{
    return {"version",
            "Print the version, and what is built in",
            "backstay version --features",
            {},
            {},
            {},
            {{"features", "", "What is built in, too"}},
            run};
}

} // namespace command
