// The scripts: requests written down once, and the answers of a real kube-apiserver beside them, word for word. Every
// home must give them. scripts/X.yaml holds the cases, scripts/X.answers.jsonl what kube-apiserver said (recorded with
// SEDNA_CONFORMANCE_RECORD=1 and SEDNA_CONFORMANCE_KUBECONFIG; one case a line).
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "sedna/json/yaml.hpp"

#include "tests/conformance/operation.hpp"

namespace sedna::conformance {
namespace {

namespace fs = std::filesystem;

const fs::path kScripts = fs::path(SEDNA_SOURCE_DIR) / "tests/conformance/scripts";

struct Case {
  std::string script, name;
  json::array steps;
  bool face = false;
  std::string real_only, embedded_differs;
};

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

bool recording() {
  return ::getenv("SEDNA_CONFORMANCE_RECORD") != nullptr;  // NOLINT(concurrency-mt-unsafe): before threads
}

/// Key order says nothing, apart from the order of a list's elements.
json::value sorted(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const json::value& element : v.get_array()) out.push_back(sorted(element));
    return out;
  }
  if (!v.is_object()) return v;
  std::vector<std::string> keys;
  for (const auto& member : v.get_object()) keys.emplace_back(member.key());
  std::sort(keys.begin(), keys.end());
  json::object out;
  for (const std::string& key : keys) out.emplace(key, sorted(v.get_object().at(key)));
  return out;
}

json::array recorded_answers(const Case& which) {
  std::istringstream lines(contents(kScripts / (which.script + ".answers.jsonl")));
  for (std::string line; std::getline(lines, line);) {
    const json::value entry = json::parse(line).value();
    if (entry.at("case").as_string() == which.name) return entry.at("answers").as_array();
  }
  return {};
}

// Answers of a recording run, written when all cases of a script are through.
std::map<std::string, std::vector<std::string>>& recordings() {
  static std::map<std::string, std::vector<std::string>> all;
  return all;
}

class Script : public ::testing::Test {
 public:
  Script(std::string home_name, Case which) : home_name_(std::move(home_name)), case_(std::move(which)) {}

  void TestBody() override {
    Home& where = home(home_name_);
    Player player(where, where.fresh_namespace());
    json::array answers;
    for (const json::value& step : case_.steps) answers.push_back(sorted(player.run(step.as_object())));
    if (recording() && where.is_real()) {
      recordings()[case_.script].push_back(json::write(json::object{{"case", case_.name}, {"answers", answers}}));
      return;
    }
    const json::array wanted = recorded_answers(case_);
    ASSERT_EQ(answers.size(), wanted.size()) << "no recording of this case";
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string differs = difference(wanted[i], answers[i]);
      if (!differs.empty()) ADD_FAILURE() << "step " << i + 1 << ", " << json::write(case_.steps[i]) << "\n" << differs;
    }
  }

 private:
  const std::string home_name_;
  const Case case_;
};

class Recorder : public ::testing::Environment {
 public:
  void TearDown() override {
    for (const auto& [script, lines] : recordings()) {
      std::ofstream out(kScripts / (script + ".answers.jsonl"));
      for (const std::string& line : lines) out << line << "\n";
    }
    end_homes();
  }
};

std::vector<Case> read_cases() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kScripts)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Case> cases;
  for (const fs::path& file : files) {
    const json::value tree = json::parse_yaml_one(contents(file)).value();
    for (const json::value& entry : tree.as_array()) {
      Case& made = cases.emplace_back();
      made.script = file.stem().string();
      made.name = std::string(entry.at("case").as_string());
      made.steps = entry.at("steps").as_array();
      for (const json::value& step : made.steps) made.face = made.face || Player::needs_face(step.as_object());
    }
  }
  return cases;
}

std::string test_name(std::string text) {
  bool upper = true;
  std::string out;
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (letter) out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = !letter;
  }
  return out;
}

}  // namespace

void register_scripts() {
  ::testing::AddGlobalTestEnvironment(new Recorder);
  for (const Case& each : read_cases()) {
    for (const std::string& where : home_names()) {
      if (each.face && where == "embedded") continue;  // asked through the daemon's face
      ::testing::RegisterTest(("Scripts_" + each.script + "/" + where).c_str(), test_name(each.name).c_str(), nullptr,
                              nullptr, __FILE__, __LINE__,
                              [where, each]() -> ::testing::Test* { return new Script(where, each); });
    }
  }
}

}  // namespace sedna::conformance
