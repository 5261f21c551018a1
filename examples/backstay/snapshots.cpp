#include "invocation.hpp"
#include "job_runner.hpp"
#include "text.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace command
{

namespace
{

std::vector<std::string> row(const backstay::Record& snapshot)
{
    std::vector<std::string> paths;
    for (const std::string& path : snapshot.nested("paths").texts()) {
        paths.push_back(printable(path));
    }
    std::string marks = snapshot.flag("pinned") ? "pinned " : "";
    if (const std::string verdict = snapshot.text("verdict"); verdict != "ok") {
        marks += fmt::format("{} ({})", verdict, snapshot.number("problems"));
    }
    return {short_id(snapshot.text("id")),
            time_text(snapshot, "time"),
            printable(snapshot.text("host")),
            size_text(static_cast<std::uint64_t>(snapshot.number("bytes_source"))),
            printable(joined(snapshot.nested("tags").texts(), ",")),
            marks,
            joined(paths, " ")};
}

int run(Invocation& invocation)
{
    const backstay::Options options = invocation.options("snapshots");
    const backstay::Repository repository = invocation.repository();
    std::vector<std::pair<std::string, std::vector<std::string>>> rows;
    const int status = run_job(invocation, repository.snapshots(&options, &invocation.cancel()),
                               {[&](const backstay::Record& record) {
                                   rows.emplace_back(record.text("group"), row(record));
                               }});
    if (invocation.json()) {
        return status;
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Table table;
    std::string group;
    table.add({"ID", "TIME", "HOST", "SIZE", "TAGS", "", "PATHS"});
    for (auto& [name, cells] : rows) {
        if (name != group) {
            table.add({printable(name)});
            group = name;
        }
        table.add(std::move(cells));
    }
    for (const std::string& line : table.lines()) {
        invocation.terminal().result(line);
    }
    invocation.terminal().say(
        fmt::format("{} snapshot{}", rows.size(), rows.size() == 1 ? "" : "s"));
    return status;
}

} // namespace

Command snapshots_command()
{
    return {"snapshots",
            "List snapshots",
            "backstay -r /mnt/backups snapshots --host web1 --latest 3",
            {},
            {"snapshots"},
            {},
            {},
            run};
}

} // namespace command
