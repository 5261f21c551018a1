#include "profile.hpp"

#include "option_table.hpp"
#include "text.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <toml++/toml.h>

namespace command
{

namespace
{

/// By key. None of a key: false, or an empty list, which takes back what a file before says.
using Values = std::map<std::string, std::vector<std::string>>;

constexpr const char* system_file = "/etc/backstay/config.toml";

std::string environment(const char* name)
{
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody changes it here
    return value != nullptr ? value : "";
}

/// One profile in one file.
class ProfileReader
{
public:
    ProfileReader(std::string file, std::string profile, const Command& command)
        : file_(std::move(file)), profile_(std::move(profile)), command_(command)
    {
    }

    /// False if the file has no such profile; its others go to `others`.
    bool read(Values& values, std::vector<std::string>& others) const
    {
        const toml::table all = parse();
        for (const auto& [key, node] : all) {
            if (node.is_table()) {
                others.emplace_back(key.str());
            }
        }
        const toml::table* own = all[profile_].as_table();
        if (own == nullptr) {
            return false;
        }
        for (const auto& [key, node] : *own) {
            const std::string name(key.str());
            if (const toml::table* section = node.as_table()) {
                take_section(name, *section, values);
            } else {
                take(name, node, global_options(), profile_, values);
            }
        }
        return true;
    }

private:
    [[noreturn]] void refuse(const std::string& why) const
    {
        throw UsageError(fmt::format("{}: {}", printable(file_), why));
    }

    toml::table parse() const
    {
        std::ifstream in(file_, std::ios::binary);
        if (!in) {
            refuse("cannot be read");
        }
        try {
            return toml::parse(in, file_);
        } catch (const toml::parse_error& error) {
            refuse(fmt::format("line {}: {}", error.source().begin.line,
                               std::string(error.description())));
        }
    }

    void take_section(const std::string& name, const toml::table& section, Values& values) const
    {
        std::vector<std::string> names;
        for (const Command& each : commands()) {
            names.emplace_back(each.name);
        }
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            refuse(fmt::format("[{}.{}]: there is no command of that name{}", printable(profile_),
                               printable(name), suggestion(name, names)));
        }
        if (name != command_.name) {
            return;
        }
        for (const auto& [key, node] : section) {
            take(std::string(key.str()), node, options_of(command_), profile_ + "." + name, values);
        }
    }

    static std::string suggestion(const std::string& word, const std::vector<std::string>& known)
    {
        const std::string near = nearest(word, known);
        return near.empty() ? std::string() : "; did you mean '" + near + "'?";
    }

    void take(const std::string& key, const toml::node& node, const std::vector<OptionRow>& rows,
              const std::string& section, Values& values) const
    {
        const auto row = std::find_if(rows.begin(), rows.end(),
                                      [&key](const OptionRow& each) { return each.key == key; });
        if (row == rows.end() || key == "profile") {
            std::vector<std::string> names;
            names.reserve(rows.size());
            for (const OptionRow& each : rows) {
                names.push_back(each.key);
            }
            refuse(fmt::format("[{}] has no option '{}'{}", printable(section), printable(key),
                               suggestion(key, names)));
        }
        std::vector<std::string> given = texts(node, key);
        if (row->is_flag()) {
            if (!node.is_boolean()) {
                refuse(fmt::format("'{}' is true or false", key));
            }
            given.resize(given.front() == "true" ? 1 : 0);
        } else if (given.size() != 1 && !row->repeatable) {
            refuse(fmt::format("'{}' takes one value", key));
        }
        values[key] = std::move(given);
    }

    std::vector<std::string> texts(const toml::node& node, const std::string& key) const
    {
        std::vector<std::string> all;
        if (const toml::array* list = node.as_array()) {
            for (const toml::node& item : *list) {
                all.push_back(text(item, key));
            }
            return all;
        }
        all.push_back(text(node, key));
        return all;
    }

    std::string text(const toml::node& node, const std::string& key) const
    {
        if (const auto value = node.value_exact<std::string>()) {
            return *value;
        }
        if (const auto value = node.value_exact<std::int64_t>()) {
            return std::to_string(*value);
        }
        if (const auto value = node.value_exact<bool>()) {
            return *value ? "true" : "false";
        }
        refuse(fmt::format("'{}' is a text, a number, true or false, or a list of these", key));
    }

    std::string file_;
    std::string profile_;
    const Command& command_;
};

/// Where the passphrase or key comes from is one thing: one word for it replaces all others.
bool is_credential(const std::string& key)
{
    return key == "passphrase-file" || key == "passphrase-command" || key == "key-file";
}

bool has_credential(const Values& values)
{
    return std::any_of(values.begin(), values.end(),
                       [](const auto& value) { return is_credential(value.first); });
}

} // namespace

std::vector<std::string> profile_files()
{
    std::vector<std::string> files{system_file};
    const std::string base = environment("XDG_CONFIG_HOME");
    const std::string home = environment("HOME");
    if (!base.empty() && base.front() == '/') {
        files.push_back(base + "/backstay/config.toml");
    } else if (!home.empty() && home.front() == '/') {
        files.push_back(home + "/.config/backstay/config.toml");
    }
    return files;
}

void apply_profile(Invocation::Given& given)
{
    const auto chosen = given.values.find("profile");
    if (chosen == given.values.end()) {
        return;
    }
    const std::string name = chosen->second.back();
    Values values;
    bool found = false;
    std::vector<std::string> others;
    for (const std::string& file : profile_files()) {
        std::error_code absent;
        if (!std::filesystem::exists(file, absent)) {
            continue;
        }
        Values own;
        found = ProfileReader(file, name, *given.command).read(own, others) || found;
        if (has_credential(own)) {
            std::erase_if(values, [](const auto& value) { return is_credential(value.first); });
        }
        for (auto& [key, texts] : own) {
            values[key] = std::move(texts);
        }
    }
    if (!found) {
        throw UsageError(
            fmt::format("there is no profile '{}' in {}{}", printable(name),
                        printable(joined(profile_files(), " or ")),
                        others.empty() ? "" : "; there are: " + printable(joined(others, ", "))));
    }
    const bool credential_given = has_credential(given.values);
    for (auto& [key, texts] : values) {
        if (!texts.empty() && !(credential_given && is_credential(key))) {
            given.values.emplace(key, std::move(texts)); // the command line's stay
        }
    }
}

} // namespace command
