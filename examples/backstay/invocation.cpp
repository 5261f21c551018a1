#include "invocation.hpp"

#include "option_table.hpp"
#include "text.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace command
{

namespace
{

std::string environment(const char* name)
{
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody changes it here
    return value != nullptr ? value : "";
}

/// The environment's word for an option that was not given.
const std::map<std::string, const char*>& variables()
{
    static const std::map<std::string, const char*> names{
        {"passphrase-file", "BACKSTAY_PASSPHRASE_FILE"},
        {"passphrase-command", "BACKSTAY_PASSPHRASE_COMMAND"},
        {"key-file", "BACKSTAY_KEY_FILE"},
        {"cache-dir", "BACKSTAY_CACHE_DIR"}};
    return names;
}

void set(backstay::Options& options, const OptionRow& row, const std::vector<std::string>& values)
{
    for (const std::string& value : values) {
        if (row.is_flag()) {
            options.set_flag(row.key, value != "false");
        } else if (row.repeatable || row.kind == "path") {
            options.add(row.key, value);
        } else {
            options.set(row.key, value);
        }
    }
}

/// In the library's words.
void demand_choice(const OptionRow& row, const std::string& value)
{
    if (std::find(row.choices.begin(), row.choices.end(), value) == row.choices.end()) {
        const std::string near = nearest(value, row.choices);
        throw UsageError("option '" + row.key + "' takes " + joined(row.choices, ", ") + ", not '" +
                         printable(value) + "'" +
                         (near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
}

} // namespace

Invocation::Invocation(Given given, const backstay::Cancel& cancel)
    : given_(std::move(given)), cancel_(cancel),
      terminal_(Terminal::Look{value("color"), has("json"), has("quiet"), has("verbose")})
{
}

Invocation::~Invocation() = default;

bool Invocation::has(const std::string& key) const
{
    return given_.values.find(key) != given_.values.end();
}

std::string Invocation::value(const std::string& key) const
{
    const auto found = given_.values.find(key);
    return found != given_.values.end() && !found->second.empty() ? found->second.back()
                                                                  : std::string();
}

std::vector<std::string> Invocation::values(const std::string& key) const
{
    const auto found = given_.values.find(key);
    return found != given_.values.end() ? found->second : std::vector<std::string>{};
}

std::string Invocation::positional(const std::string& name) const
{
    const std::vector<std::string> all = positionals(name);
    return all.empty() ? std::string() : all.front();
}

std::vector<std::string> Invocation::positionals(const std::string& name) const
{
    const auto found = given_.positionals.find(name);
    return found != given_.positionals.end() ? found->second : std::vector<std::string>{};
}

void Invocation::check_values() const
{
    for (const OptionRow& row : all_options_of(*given_.command)) {
        if (row.scope.empty() && !row.choices.empty()) {
            for (const std::string& value : values(row.key)) {
                demand_choice(row, value);
            }
        }
    }
    std::vector<const char*> scopes = given_.command->scopes;
    scopes.insert(scopes.end(), {"repository", "engine", "store"});
    for (const char* scope : scopes) {
        options(scope);
    }
}

backstay::Options Invocation::options(const std::string& scope) const
{
    backstay::Options options(scope);
    const std::vector<OptionRow> rows = all_options_of(*given_.command);
    const backstay::Record known = backstay::Options::describe(scope);
    for (const backstay::Record& option : known.records()) {
        const std::string key = option.text("key");
        for (const OptionRow& row : rows) {
            if (row.key == key && !row.scope.empty() && has(key) &&
                !leaves_out(*given_.command, scope, key)) {
                set(options, row, values(key));
                break;
            }
        }
    }
    return options;
}

backstay::Engine& Invocation::engine()
{
    if (!engine_) {
        backstay::Options chosen = options("engine");
        const std::string folder = environment(variables().at("cache-dir"));
        if (!has("cache-dir") && !folder.empty()) {
            chosen.add("cache-dir", folder);
        }
        const auto log = [this](const backstay::Record& line) { terminal_.log(line); };
        engine_ = std::make_unique<backstay::Engine>(&chosen, log);
    }
    return *engine_;
}

std::string Invocation::repository_uri() const
{
    std::string uri = has("repository") ? value("repository") : environment("BACKSTAY_REPOSITORY");
    if (uri.empty()) {
        throw UsageError("which repository? Say -r REPO, or set BACKSTAY_REPOSITORY");
    }
    return uri;
}

backstay::Store Invocation::store(bool create)
{
    return store_at(repository_uri(), create);
}

backstay::Store Invocation::store_at(const std::string& uri, bool create)
{
    backstay::Options options = this->options("store");
    options.set_flag("create", create);
    return {engine(), uri, &options, &cancel_};
}

backstay::Options Invocation::credentials(const char* scope, bool is_new)
{
    backstay::Options options = this->options(scope);
    const bool none = is_new && has("no-encryption");
    if (none || has("passphrase-file") || has("passphrase-command") || has("key-file")) {
        return options;
    }
    for (const char* key : {"passphrase-file", "passphrase-command", "key-file"}) {
        if (const std::string chosen = environment(variables().at(key)); !chosen.empty()) {
            options.set(key, chosen);
            return options;
        }
    }
    if (const std::string passphrase = environment("BACKSTAY_PASSPHRASE"); !passphrase.empty()) {
        options.set_secret("passphrase", passphrase);
    } else if (terminal_.can_ask()) {
        options.set_secret("passphrase", is_new ? terminal_.ask_new_secret("New passphrase")
                                                : terminal_.ask_secret("Passphrase"));
    }
    return options;
}

backstay::Repository Invocation::repository()
{
    const backstay::Store& place = place_.emplace(store());
    const bool asks = !has("passphrase-file") && !has("passphrase-command") && !has("key-file");
    if (asks) {
        // One without encryption opens without a question.
        const std::string passphrase = environment("BACKSTAY_PASSPHRASE");
        const bool told = !passphrase.empty() || !environment("BACKSTAY_PASSPHRASE_FILE").empty() ||
                          !environment("BACKSTAY_PASSPHRASE_COMMAND").empty() ||
                          !environment("BACKSTAY_KEY_FILE").empty();
        if (!told) {
            try {
                backstay::Options options("repository");
                options.set_flag("look-ahead", true);
                return backstay::Repository::open(place, &options, &cancel_);
            } catch (const backstay::Error& error) {
                if (error.status() != BACKSTAY_E_KEY || !terminal_.can_ask()) {
                    throw;
                }
            }
        }
    }
    backstay::Options options = credentials("repository", false);
    options.set_flag("look-ahead", true); // every command does one thing, at once
    return backstay::Repository::open(place, &options, &cancel_);
}

std::optional<backstay::Record> Invocation::traffic() const
{
    if (!place_) {
        return std::nullopt;
    }
    backstay::Record traffic = place_->traffic();
    return traffic.has("writes") ? std::optional(std::move(traffic)) : std::nullopt;
}

backstay::Repository Invocation::repository_at(const std::string& uri)
{
    const backstay::Store place = store_at(uri);
    const backstay::Options key = credentials("repository", false);
    return backstay::Repository::open(place, &key, &cancel_);
}

std::vector<std::string> Invocation::words_for_another_process() const
{
    const auto absolute = [](const std::string& path) {
        return std::filesystem::absolute(path).lexically_normal().string();
    };
    std::string uri = repository_uri();
    if (uri.find("://") == std::string::npos) {
        uri = absolute(uri);
    }
    std::vector<std::string> words{std::filesystem::read_symlink("/proc/self/exe").string(), "-r",
                                   uri};
    for (const char* key : {"passphrase-file", "passphrase-command", "key-file"}) {
        const std::string chosen = has(key) ? value(key) : environment(variables().at(key));
        if (!chosen.empty()) {
            const bool is_path = std::string_view(key) != "passphrase-command";
            words.push_back(std::string("--") + key);
            words.push_back(is_path ? absolute(chosen) : chosen);
            return words;
        }
    }
    if (!environment("BACKSTAY_PASSPHRASE").empty()) {
        throw UsageError("another process cannot be given the passphrase: say where it can read "
                         "it, by --key-file, --passphrase-file or --passphrase-command");
    }
    return words;
}

void Invocation::tell_notice(const std::string& message)
{
    if (json()) {
        backstay::Record notice;
        terminal_.result(notice.set("type", "notice").set("message", message));
    } else {
        terminal_.warn(printable(message));
    }
}

Invocation::SnapshotPath Invocation::split(const std::string& argument)
{
    const std::size_t colon = argument.find(':');
    if (colon == std::string::npos) {
        return {argument, ""};
    }
    return {argument.substr(0, colon), argument.substr(colon + 1)};
}

backstay::Snapshot Invocation::snapshot(const backstay::Repository& repository,
                                        const std::string& name)
{
    const backstay::Options filter = options("filter");
    backstay::Snapshot found = repository.snapshot(name, &filter, &cancel_);
    if (const backstay::Record record = found.record(); record.has("notice")) {
        tell_notice(record.text("notice"));
    }
    return found;
}

} // namespace command
