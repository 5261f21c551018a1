#include "invocation.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

int run(Invocation& invocation)
{
    const backstay::Record cache = invocation.engine().cache(invocation.has("clean"));
    if (invocation.json()) {
        invocation.terminal().result(cache);
        return exit_done;
    }
    invocation.terminal().result(
        fmt::format("{}: {} files, {}{}", printable(cache.text("folder")), cache.number("files"),
                    size_text(static_cast<std::uint64_t>(cache.number("bytes"))),
                    cache.flag("cleaned") ? ", removed" : ""));
    return exit_done;
}

} // namespace

Command cache_command()
{
    return {"cache",
            "Show or remove the cache, which may be thrown away at any time",
            "backstay cache --clean",
            {},
            {"cache"},
            {},
            {},
            run};
}

} // namespace command
