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
    const backstay::Repository repository = invocation.repository();
    const backstay::Snapshot snapshot =
        invocation.snapshot(repository, invocation.positional("SNAPSHOT"));
    return run_job(
        invocation, snapshot.verify("files", nullptr, nullptr, &invocation.cancel()),
        {[&](const backstay::Record& record) {
             const std::string what =
                 record.has("what") ? " (" + joined(record.nested("what").texts(), ", ") + ")" : "";
             invocation.terminal().result(fmt::format("{} /{}{}", record.text("change"),
                                                      printable(record.text("path")), what));
         },
         [&](const backstay::Record& summary) {
             const std::int64_t differences = summary.number("differences");
             invocation.terminal().result(
                 differences == 0
                     ? fmt::format(
                           "equal: {} entries, {}", summary.number("entries"),
                           size_text(static_cast<std::uint64_t>(summary.number("bytes_checked"))))
                     : fmt::format("{} difference{}", differences, differences == 1 ? "" : "s"));
         }});
}

} // namespace

Command verify_command()
{
    return {"verify",
            "Does a snapshot equal what lives? Exit status 3 when not",
            "backstay -r /mnt/backups verify latest",
            {{"SNAPSHOT", "An id, the beginning of one, 'latest' or 'latest~2'"}},
            {"filter"},
            {"kind"},
            {},
            run};
}

} // namespace command
