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
    backstay::Options place("source.archive");
    place.add("path", invocation.positional("FILE"));
    const backstay::Source source = backstay::Source::archive(invocation.engine(), place);
    const backstay::Options options = invocation.options("backup");
    const backstay::Repository repository = invocation.repository();
    backstay::Backup backup(repository, &options);
    backup.add("archive", source);
    return run_job(invocation, backup.start(&invocation.cancel()),
                   {{}, [&](const backstay::Record& summary) {
                        invocation.terminal().result(fmt::format(
                            "snapshot {} saved: {} entries, {}{}",
                            short_id(summary.text("snapshot")), summary.number("entries"),
                            size_text(static_cast<std::uint64_t>(summary.number("bytes_source"))),
                            problems_text(summary)));
                    }});
}

} // namespace

Command import_command()
{
    return {"import",
            "Save an archive's entries as a snapshot",
            "backstay -r /mnt/backups import old-backup.tar.gz --tag imported",
            {{"FILE", "An archive: tar, cpio, zip, ISO 9660, compressed or not"}},
            {"backup"},
            {"list", "filter", "parent", "force", "skip-if-unchanged"},
            {},
            run};
}

} // namespace command
