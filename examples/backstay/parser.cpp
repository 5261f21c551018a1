#include "parser.hpp"

#include "option_table.hpp"
#include "text.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

namespace command
{

namespace
{

using Values = std::map<std::string, std::vector<std::string>>;

/// What CLI11 writes to, by key; lives as long as the parse.
struct Storage {
    std::map<std::string, std::vector<std::string>> values;
    std::map<std::string, CLI::Option*> options;
};

std::string flag_names(const OptionRow& row)
{
    const std::string letter =
        row.letter != '\0' ? std::string("-") + row.letter + "," : std::string();
    return letter + "--" + row.key;
}

void add_option(CLI::App& app, const OptionRow& row, Storage& storage)
{
    std::vector<std::string>& values = storage.values[row.key];
    if (row.is_flag()) {
        storage.options[row.key] =
            app.add_flag_callback(flag_names(row), [&values] { values.assign(1, "true"); });
        return;
    }
    CLI::Option* option = app.add_option(flag_names(row), values);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
    if (row.optional_value) {
        option->expected(0, 1);
    } else {
        option->expected(1);
    }
    storage.options[row.key] = option;
}

/// `one` takes a place that holds a single word, `values` any number.
void add_positional(CLI::App& app, const Positional& positional, std::string& one,
                    std::vector<std::string>& values)
{
    switch (positional.count) {
    case Positional::Count::one:
        app.add_option(positional.name, one)->required();
        break;
    case Positional::Count::optional:
        app.add_option(positional.name, one);
        break;
    case Positional::Count::any:
        app.add_option(positional.name, values)->expected(0, -1);
        break;
    case Positional::Count::many:
        app.add_option(positional.name, values)->expected(1, -1)->required();
        break;
    }
}

/// CLI11 does not like brackets and dots in names of positionals.
std::string plain_name(const std::string& name)
{
    std::string out;
    for (const char c : name) {
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
            out += c;
        }
    }
    return out;
}

std::vector<std::string> command_names()
{
    std::vector<std::string> names;
    for (const Command& command : commands()) {
        if (!command.hidden) {
            names.emplace_back(command.name);
        }
    }
    return names;
}

const Command* find_command(const std::string& name)
{
    const auto found =
        std::find_if(commands().begin(), commands().end(),
                     [&name](const Command& command) { return name == command.name; });
    return found != commands().end() ? &*found : nullptr;
}

bool takes_value(const OptionRow& row)
{
    return !row.is_flag() && !row.optional_value;
}

/// The place of the subcommand's name: the first word that is neither an option nor an option's
/// value.
std::size_t find_name(const std::vector<std::string>& arguments)
{
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word.empty() || word.front() != '-') {
            return i;
        }
        for (const OptionRow& row : global_options()) {
            const bool named = word == "--" + row.key ||
                               (row.letter != '\0' && word == std::string("-") + row.letter);
            if (named && takes_value(row)) {
                ++i;
            }
        }
    }
    return arguments.size();
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates)
{
    const std::string near = nearest(word, candidates);
    return near.empty() ? std::string() : "; did you mean '" + near + "'?";
}

const Command& need_command(const std::string& name)
{
    const Command* command = find_command(name);
    if (command == nullptr) {
        throw UsageError("there is no command '" + printable(name) + "'" +
                         suggestion(name, command_names()));
    }
    return *command;
}

[[noreturn]] void refuse_extra(const std::string& word, const Command& command,
                               const std::vector<OptionRow>& rows)
{
    if (!word.starts_with('-')) {
        throw UsageError("'" + printable(word) + "' is one argument too many for " + command.name);
    }
    std::vector<std::string> names;
    std::transform(rows.begin(), rows.end(), std::back_inserter(names),
                   [](const OptionRow& row) { return "--" + row.key; });
    const std::string name = word.substr(0, word.find('='));
    throw UsageError(std::string(command.name) + " has no option '" + printable(name) + "'" +
                     suggestion(name, names));
}

/// Stands for an empty value, which CLI11 takes for none: it would take the next word instead. No
/// word on a command line holds a NUL.
const std::string empty_value(1, '\0');

Values collect(const Storage& storage)
{
    Values values;
    for (const auto& [key, option] : storage.options) {
        if (option->count() > 0) {
            values[key] = storage.values.at(key);
            std::replace(values[key].begin(), values[key].end(), empty_value, std::string());
        }
    }
    return values;
}

/// A value that begins with '-' must not be taken for an option, nor the word behind an empty one
/// for the value: "--key=value" keeps them together, "--key value" is joined here. Throws
/// UsageError where no word is left.
std::vector<std::string> joined_values(const std::vector<std::string>& arguments,
                                       const std::vector<OptionRow>& rows)
{
    std::vector<std::string> out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--") {
            out.insert(out.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                       arguments.end());
            break;
        }
        std::string word = arguments[i];
        const auto row = std::find_if(rows.begin(), rows.end(), [&](const OptionRow& each) {
            const bool by_letter = each.letter != '\0' && word == std::string("-") + each.letter;
            return takes_value(each) &&
                   (by_letter || word == "--" + each.key || word == "--" + each.key + "=");
        });
        if (row != rows.end() && !word.ends_with('=')) {
            if (i + 1 == arguments.size()) {
                throw UsageError(word + " needs " + row->placeholder);
            }
            word = "--" + row->key + "=" + arguments[++i];
        }
        if (row != rows.end() && word == "--" + row->key + "=") {
            word += empty_value;
        }
        out.push_back(std::move(word));
    }
    return out;
}

const char* first_missing(const Command& command, const std::map<std::string, std::string>& single,
                          const std::map<std::string, std::vector<std::string>>& positionals)
{
    for (const Positional& positional : command.positionals) {
        if (single.at(positional.name).empty() && positionals.at(positional.name).empty()) {
            return positional.name;
        }
    }
    return "";
}

/// The command behind '--' of whoever may run one and was given its name; `arguments` keeps what is
/// before.
std::vector<std::string> take_rest(const Command& command, std::vector<std::string>& arguments)
{
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    const bool names_a_command = std::any_of(arguments.begin(), end, [](const std::string& word) {
        return word.rfind("--command-name", 0) == 0;
    });
    if (!command.takes_rest || end == arguments.end() || !names_a_command) {
        return {};
    }
    std::vector<std::string> rest(end + 1, arguments.end());
    arguments.erase(end, arguments.end());
    return rest;
}

Parsed parse_command(const Command& command, std::vector<std::string> arguments)
{
    Parsed parsed;
    parsed.given.command = &command;
    parsed.given.rest = take_rest(command, arguments);
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    if (std::any_of(arguments.begin(), end,
                    [](const std::string& word) { return word == "--help" || word == "-h"; })) {
        parsed.help = true;
        return parsed;
    }

    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    const std::vector<OptionRow> rows = all_options_of(command);
    Storage storage;
    for (const OptionRow& row : rows) {
        add_option(app, row, storage);
    }
    std::map<std::string, std::vector<std::string>> positionals;
    std::map<std::string, std::string> single;
    for (const Positional& positional : command.positionals) {
        Positional plain = positional;
        const std::string name = plain_name(positional.name);
        plain.name = name.c_str();
        add_positional(app, plain, single[positional.name], positionals[positional.name]);
    }
    arguments = joined_values(arguments, rows);
    std::reverse(arguments.begin(), arguments.end()); // as CLI11 takes them
    try {
        app.parse(arguments);
    } catch (const CLI::RequiredError&) {
        throw UsageError(std::string(command.name) + " needs " +
                         first_missing(command, single, positionals));
    } catch (const CLI::ParseError& error) {
        throw UsageError(std::string(command.name) + ": " + error.what());
    }
    if (const std::vector<std::string> extras = app.remaining(); !extras.empty()) {
        refuse_extra(extras.front(), command, rows);
    }
    parsed.given.values = collect(storage);
    for (const auto& [name, value] : single) {
        if (!value.empty()) {
            positionals[name] = {value};
        }
    }
    parsed.given.positionals = std::move(positionals);
    return parsed;
}

} // namespace

std::string named_command(const std::vector<std::string>& arguments)
{
    const std::size_t at = find_name(arguments);
    const Command* command = at < arguments.size() ? find_command(arguments[at]) : nullptr;
    return command != nullptr ? command->name : "";
}

Parsed parse(const std::vector<std::string>& arguments)
{
    const std::size_t at = find_name(arguments);
    if (at == arguments.size()) {
        const bool help =
            std::any_of(arguments.begin(), arguments.end(),
                        [](const std::string& word) { return word == "--help" || word == "-h"; });
        if (help) {
            return {{}, true};
        }
        if (std::find(arguments.begin(), arguments.end(), "--version") != arguments.end()) {
            return parse_command(*find_command("version"), {});
        }
        throw UsageError("what is to be done? Say a command; 'backstay help' lists them");
    }
    if (arguments[at] == "help") {
        if (at + 2 < arguments.size()) {
            throw UsageError("'" + printable(arguments[at + 2]) +
                             "' is one argument too many for help");
        }
        Parsed parsed;
        parsed.help = true;
        if (at + 1 < arguments.size()) {
            parsed.given.command = &need_command(arguments[at + 1]);
        }
        return parsed;
    }
    const Command& command = need_command(arguments[at]);
    std::vector<std::string> others = arguments;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(at));
    return parse_command(command, std::move(others));
}

} // namespace command
