#include "invocation.hpp"
#include "text.hpp"

#include <fmt/core.h>

namespace command
{

namespace
{

std::string store_line(const backstay::Record& store)
{
    std::string line =
        fmt::format("store: {}, create-if-absent {}", printable(store.text("uri")),
                    store.flag("exclusive_create") ? "honoured (tried)" : "not honoured");
    return store.text("note").empty() ? line : line + "; " + store.text("note");
}

int run(Invocation& invocation)
{
    const backstay::Store store = invocation.store(true);
    std::unique_ptr<backstay::Repository> pattern;
    if (invocation.has("copy-parameters-from")) {
        pattern = std::make_unique<backstay::Repository>(
            invocation.repository_at(invocation.value("copy-parameters-from")));
    }
    const backstay::Options options = invocation.credentials("init", true);
    const backstay::Repository repository =
        backstay::Repository::init(store, &options, pattern.get(), &invocation.cancel());
    const backstay::Record about = repository.describe(&invocation.cancel());
    const backstay::Record place = store.describe(&invocation.cancel());
    if (invocation.json()) {
        backstay::Record summary;
        summary.set("type", "summary")
            .set("command", "init")
            .set("repository", about)
            .set("store", place);
        invocation.terminal().result(summary);
        return exit_done;
    }
    invocation.terminal().result(fmt::format("repository {} made at {}", short_id(about.text("id")),
                                             printable(place.text("uri"))));
    invocation.terminal().result(store_line(place));
    if (!about.flag("encrypted")) {
        invocation.terminal().result(
            "not encrypted: the key lies in the repository, and whoever reads it reads everything");
    } else {
        invocation.terminal().result(
            "keep the passphrase or key file safe: without it nothing can be restored");
    }
    return exit_done;
}

} // namespace

Command init_command()
{
    return {"init",
            "Make a repository",
            "backstay -r /mnt/backups init --passphrase-file /root/.backstay-passphrase",
            {},
            {"init"},
            {},
            {{"copy-parameters-from", "REPO",
              "Take the chunking parameters and pack size of another repository"}},
            run};
}

} // namespace command
