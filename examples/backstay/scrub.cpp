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
    const backstay::Options options = invocation.options("scrub");
    const backstay::Store store = invocation.store();
    return run_job(invocation, store.scrub(&options, &invocation.cancel()),
                   {{}, [&](const backstay::Record& summary) {
                        invocation.terminal().result(fmt::format(
                            "{} objects, {} read{}", summary.number("objects"),
                            size_text(static_cast<std::uint64_t>(summary.number("bytes_checked"))),
                            problems_text(summary)));
                    }});
}

} // namespace

Command scrub_command()
{
    return {"scrub",
            "Do packs hash to their names? Needs no key; exit status 5 when not",
            "backstay -r /mnt/backups scrub --percent 10%",
            {},
            {"scrub"},
            {},
            {},
            run};
}

} // namespace command
