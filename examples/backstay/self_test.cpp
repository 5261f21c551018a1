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
    const backstay::Store store = invocation.store_at(invocation.positional("STORE-URI"));
    Terminal& terminal = invocation.terminal();
    const auto show = [&terminal](const backstay::Record& record) {
        if (record.type() != "test") {
            return;
        }
        const std::string message = record.text("message");
        terminal.result(fmt::format("{} {}{}{}", record.flag("passed") ? "passed" : "FAILED",
                                    record.text("name"), message.empty() ? "" : ": ",
                                    printable(message)));
    };
    const auto finish = [&terminal](const backstay::Record& summary) {
        const auto rate = [&summary](const char* name) {
            return size_text(static_cast<std::uint64_t>(summary.number(name)));
        };
        terminal.result(fmt::format("fit for a repository; one pack at a time is stored at {}/s "
                                    "and read at {}/s",
                                    rate("write_bytes_per_second"), rate("read_bytes_per_second")));
    };
    return run_job(invocation, store.selftest(nullptr, &invocation.cancel()), {show, finish});
}

} // namespace

Command self_test_command()
{
    return {"self-test",
            "Try whether a store is fit to hold a repository; makes and removes objects there",
            "backstay self-test s3://my-bucket/backups",
            {{"STORE-URI", "A folder or a bucket, as for -r"}},
            {},
            {},
            {},
            run};
}

} // namespace command
