// An LSTM on the words of WikiText-2, every layer a sparse matrix product: ./run wikitext2
#include <weft.hpp>
#include <weft/apps/baselines/kneser_ney.hpp>
#include <weft/apps/models/language_net.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, language_recipe({.epochs = 4, .dropout = 0.25}));
    const TokenData text = run.tokens(TokenSet::wikitext2);
    ParamStore params(run.device(), run.seed());
    const LanguageNet net(Scope{params, run.form()}, text.vocabulary.size(), run.options());
    run.show(summary([&net](Var ids) { return net.whole(ids); }, {stepped(run.options()).steps, 1}, {.dtype = Dtype::i32}));
    TrainingData batches = token_batches(text, stepped(run.options()));
    batches.baselines.push_back({"Kneser-Ney on five words", [&] {
                                   return std::vector<Metric>{{"perplexity", kneser_ney_perplexity(text)}};
                                 }});
    const int code = run.fit(net, params, batches, [&net](Var states, const Tensor& next) { return net.loss(states, next); });
    if (code == kOk) run.leave("text.txt", written_by(net, text.vocabulary, run.options().words, run.seed()));
    return code;
  });
}
