// All commands of lm. Each is one file, read only when it runs.
import type { Commands } from '../lib/command.ts';

/** The commands by name. */
export const commands: Commands = {
  generate: {
    command: 'generate [text..]',
    describe: 'Continue a prompt, or several',
    load: async () => (await import('./generate.ts')).generate,
  },
  chat: {
    command: 'chat',
    describe: 'Talk with a model',
    load: async () => (await import('./chat.ts')).chat,
  },
  'fill-mask': {
    command: 'fill-mask [text..]',
    describe: 'Find the words that are masked in a text',
    load: async () => (await import('./fill-mask.ts')).fillMaskCommand,
  },
  answer: {
    command: 'answer [text..]',
    describe: 'Answer a question with a part of a passage',
    load: async () => (await import('./answer.ts')).answerCommand,
  },
  translate: {
    command: 'translate [text..]',
    describe: 'Write the target of each text with an encoder-decoder: translations, summaries',
    load: async () => (await import('./translate.ts')).translate,
  },
  pretrain: {
    command: 'pretrain <files..>',
    describe: 'Train a GPT on your own text files, from nothing',
    load: async () => (await import('./pretrain.ts')).pretrain,
  },
  finetune: {
    command: 'finetune',
    describe: 'Train a checkpoint on your own labelled data: all of it, a part, or an adapter',
    load: async () => (await import('./finetune.ts')).finetune,
  },
  eval: {
    command: 'eval',
    describe: 'Measure a model: on your own labelled data, or by a benchmark',
    commands: {
      data: {
        command: 'data',
        describe: 'Measure a model on labelled data',
        isDefault: true,
        load: async () => (await import('./eval.ts')).evalCommand,
      },
      blimp: {
        command: 'blimp',
        describe: 'Minimal pairs: is the grammatical sentence likelier?',
        load: async () => (await import('./eval-blimp.ts')).evalBlimp,
      },
      sts: {
        command: 'sts',
        describe: 'Pairs of sentences: do similarities agree with people’s scores?',
        load: async () => (await import('./eval-sts.ts')).evalSts,
      },
      analogies: {
        command: 'analogies',
        describe: 'Word vectors: how many analogies are answered?',
        load: async () => (await import('./eval-analogies.ts')).evalAnalogies,
      },
      wordsim: {
        command: 'wordsim',
        describe: 'Word vectors: do cosines agree with people’s scores of word pairs?',
        load: async () => (await import('./eval-wordsim.ts')).evalWordsim,
      },
      choice: {
        command: 'choice',
        describe: 'Multiple choice: is the right answer the likeliest?',
        load: async () => (await import('./eval-choice.ts')).evalChoice,
      },
      cloze: {
        command: 'cloze [text..]',
        describe: 'Blanks: which words does a model find, and is the right one among them?',
        load: async () => (await import('./eval-cloze.ts')).evalCloze,
      },
    },
  },
  classify: {
    command: 'classify [text..]',
    describe: 'Tell the class of each text',
    load: async () => (await import('./classify.ts')).classify,
  },
  score: {
    command: 'score [text..]',
    describe: 'Tell how likely a model finds texts: log-probability, surprisal, perplexity',
    load: async () => (await import('./score.ts')).score,
  },
  compare: {
    command: 'compare',
    describe: 'Tell under which of several language models a text is likeliest: whose it is',
    commands: {
      texts: {
        command: 'texts [text..]',
        describe: 'Compare the likelihood of texts under models',
        isDefault: true,
        load: async () => (await import('./compare.ts')).compare,
      },
      train: {
        command: 'train',
        describe: 'Train a small language model for each class of texts',
        load: async () => (await import('./compare-train.ts')).compareTrain,
      },
    },
  },
  embed: {
    command: 'embed [text..]',
    describe: 'Turn texts into vectors',
    load: async () => (await import('./embed.ts')).embed,
  },
  similarity: {
    command: 'similarity [text..]',
    describe: 'Tell how alike texts are, or the uses of a word',
    load: async () => (await import('./similarity.ts')).similarity,
  },
  index: {
    command: 'index <paths..>',
    describe: 'Index folders of text, to search them by meaning and by words',
    load: async () => (await import('./index-build.ts')).indexBuild,
  },
  search: {
    command: 'search <index> [query..]',
    describe: 'Search an index, or straight a folder of texts',
    load: async () => (await import('./search.ts')).search,
  },
  words: {
    command: 'words',
    describe: 'Vectors of words: train them, ask for neighbours, analogies, axes, draw maps',
    commands: {
      train: {
        command: 'train <files..>',
        describe: 'Train word vectors on text files',
        load: async () => (await import('./words-train.ts')).wordsTrain,
      },
      neighbours: {
        command: 'neighbours <words..>',
        describe: 'Show the words nearest to a word, or to several',
        load: async () => (await import('./words-neighbours.ts')).wordsNeighbours,
      },
      analogy: {
        command: 'analogy <words..>',
        describe: 'a is to b as c is to what?',
        load: async () => (await import('./words-analogy.ts')).wordsAnalogy,
      },
      axis: {
        command: 'axis [words..]',
        describe: 'Place words between the ends of pairs such as good and bad',
        load: async () => (await import('./words-axis.ts')).wordsAxis,
      },
      odd: {
        command: 'odd <words..>',
        describe: 'Find the word that is not like the others',
        load: async () => (await import('./words-odd.ts')).wordsOdd,
      },
      map: {
        command: 'map [words..]',
        describe: 'Draw words on a plane',
        load: async () => (await import('./words-map.ts')).wordsMap,
      },
      convert: {
        command: 'convert',
        describe: 'Write vectors in another format',
        load: async () => (await import('./words-convert.ts')).wordsConvert,
      },
    },
  },
  attention: {
    command: 'attention <text>',
    describe: 'Draw what the tokens of a text look at',
    load: async () => (await import('./attention.ts')).attention,
  },
  adapter: {
    command: 'adapter',
    describe: 'Look at an adapter; fold it into its model',
    commands: {
      merge: {
        command: 'merge <adapter>',
        describe: 'Fold an adapter into the weights of its model',
        load: async () => (await import('./adapter-merge.ts')).adapterMerge,
      },
      info: {
        command: 'info <adapter>',
        describe: 'Show what an adapter is and how large',
        load: async () => (await import('./adapter-info.ts')).adapterInfo,
      },
    },
  },
  runs: {
    command: 'runs <folders..>',
    describe: 'Compare training runs: a table, and their losses in one picture',
    load: async () => (await import('./runs.ts')).runs,
  },
  tokenizer: {
    command: 'tokenizer',
    describe: 'Train a vocabulary; turn text into ids and back',
    commands: {
      train: {
        command: 'train <files..>',
        describe: 'Train a vocabulary on text files',
        load: async () => (await import('./tokenizer-train.ts')).tokenizerTrain,
      },
      encode: {
        command: 'encode [text..]',
        describe: 'Print the ids of a text',
        load: async () => (await import('./tokenizer-encode.ts')).tokenizerEncode,
      },
      decode: {
        command: 'decode [ids..]',
        describe: 'Print the text of ids',
        load: async () => (await import('./tokenizer-decode.ts')).tokenizerDecode,
      },
    },
  },
  serve: {
    command: 'serve',
    describe: 'Offer models over HTTP, with OpenAI’s interface and a page to try them',
    load: async () => (await import('./serve.ts')).serve,
  },
  export: {
    command: 'export',
    describe: 'Write a model as ONNX: for transformers.js, ONNX Runtime anywhere, Triton',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  quantize: {
    command: 'quantize',
    describe: 'Write a model with weights of 8 or 4 bits, and measure what that costs',
    load: async () => (await import('./quantize.ts')).quantize,
  },
  inspect: {
    command: 'inspect [path]',
    describe: 'Show what a model is made of: configuration, parameters, memory, graph',
    load: async () => (await import('./inspect.ts')).inspect,
  },
  vision: {
    command: 'vision',
    describe: 'Train, use and look into networks of pictures',
    commands: {
      train: {
        command: 'train',
        describe: 'Train a network on pictures, from nothing',
        load: async () => (await import('./vision-train.ts')).visionTrain,
      },
      finetune: {
        command: 'finetune',
        describe: 'Train a network on pictures of your own: its last layer, its last ones, or all',
        load: async () => (await import('./vision-finetune.ts')).visionFinetune,
      },
      eval: {
        command: 'eval',
        describe: 'Measure how well a network names pictures',
        load: async () => (await import('./vision-eval.ts')).visionEval,
      },
      classify: {
        command: 'classify [pictures..]',
        describe: 'Tell what pictures show',
        load: async () => (await import('./vision-classify.ts')).visionClassify,
      },
      similar: {
        command: 'similar <picture>',
        describe: 'Find the pictures that are most like one',
        load: async () => (await import('./vision-similar.ts')).visionSimilar,
      },
      filters: {
        command: 'filters',
        describe: 'Draw a layer’s filters, and tell which are noisy or dead',
        load: async () => (await import('./vision-filters.ts')).visionFilters,
      },
      explain: {
        command: 'explain [pictures..]',
        describe: 'Draw why a network names pictures as it does',
        load: async () => (await import('./vision-explain.ts')).visionExplain,
      },
      attack: {
        command: 'attack [pictures..]',
        describe: 'Change pictures by so little that nobody sees it, and the network errs',
        load: async () => (await import('./vision-attack.ts')).visionAttack,
      },
      embed: {
        command: 'embed [pictures..]',
        describe: 'Turn pictures into vectors',
        load: async () => (await import('./vision-embed.ts')).visionEmbed,
      },
    },
  },
  completion: {
    command: 'completion [shell]',
    describe: 'Print a script that completes commands and flags in bash or zsh',
    load: async () => (await import('./completion.ts')).completion,
  },
};
