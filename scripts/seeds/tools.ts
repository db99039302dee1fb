import type { ToolStep } from '@funmagic/contract/tool'
import type { Database } from '@funmagic/database/client'
import {
  findTool,
  saveTool,
  saveToolType,
  type NewTool,
  type NewToolType,
} from '@funmagic/task/catalog'
import { providerSeeds } from './providers.ts'

const types: readonly NewToolType[] = [
  {
    name: 'background-remove',
    displayName: 'Background removal',
    icon: 'scissors',
    color: '#2f9e8f',
    description: 'Cuts the subject out of a picture.',
  },
  {
    name: 'figme',
    displayName: 'FigMe',
    icon: 'sparkles',
    color: '#8a5cf6',
    description: 'Turns a picture into another style.',
  },
  {
    name: 'crystal-memory',
    displayName: 'Crystal memory',
    icon: 'cube',
    color: '#3b82f6',
    description: 'Turns a picture into a point cloud.',
  },
]

// The seeds give the costs of `image-gen` (20) and `3d-gen` (30); the others are chosen here.
const removeBackground: ToolStep = {
  id: 'background-remove',
  name: 'Remove background',
  type: 'background-remove',
  providerId: providerSeeds.fal.id,
  providerModel: 'fal-ai/bria/background/remove',
  cost: 5,
  timeoutSeconds: 120,
}

const generateImage: ToolStep = {
  id: 'image-gen',
  name: 'Image Generation',
  type: 'image-gen',
  providerId: providerSeeds.openai.id,
  providerModel: 'gpt-image-1.5',
  cost: 20,
  timeoutSeconds: 300,
}

const editPicture: ToolStep = {
  id: 'edit',
  name: 'Edit picture',
  type: 'image-gen',
  providerId: providerSeeds.openai.id,
  providerModel: 'gpt-image-1.5',
  cost: 20,
  timeoutSeconds: 300,
}

const sketchPicture: ToolStep = {
  id: 'sketch',
  name: 'Sketch',
  type: 'image-gen',
  providerId: providerSeeds.google.id,
  providerModel: 'gemini-2.5-flash-image',
  cost: 10,
  timeoutSeconds: 120,
}

const buildModel: ToolStep = {
  id: '3d-gen',
  name: '3D Generation',
  type: '3d-gen',
  providerId: providerSeeds.tripo.id,
  providerModel: 'tripo-v2',
  cost: 30,
  timeoutSeconds: 600,
}

const buildPointCloud: ToolStep = {
  id: 'point-cloud',
  name: 'Point cloud',
  type: 'point-cloud',
  providerId: providerSeeds.replicate.id,
  // Community models are run by version (Replicate HTTP API, predictions.create).
  providerModel:
    'vufinder/vggt-1b:770898f053ca56571e8a49d71f27fc695b6d203e0691baa30d8fbb6954599f2b',
  cost: 15,
  timeoutSeconds: 600,
}

const tools: readonly Omit<NewTool, 'isActive'>[] = [
  {
    slug: 'background-remove',
    title: 'Remove background',
    description: 'Upload a picture and get its subject on a transparent background.',
    typeName: 'background-remove',
    config: { steps: [removeBackground] },
    creditsCost: removeBackground.cost,
  },
  {
    slug: 'figme',
    title: 'FigMe',
    description:
      'Describe a picture, or upload one, have it made in a style, and then into a 3D model.',
    typeName: 'figme',
    config: {
      steps: [generateImage, buildModel],
      styleReferences: [
        { id: 'style-anime', name: 'Anime', prompt: 'Transform into anime style' },
        {
          id: 'style-watercolor',
          name: 'Watercolor',
          prompt: 'Paint it as a loose watercolor with soft edges and visible paper',
        },
        {
          id: 'style-pixel-art',
          name: 'Pixel art',
          prompt: 'Draw it as 16-bit pixel art with a limited palette',
        },
      ],
    },
    creditsCost: generateImage.cost,
  },
  {
    slug: 'photo-edit',
    title: 'Edit a photo',
    description: 'Say what to change in a picture, everywhere or where a mask is transparent.',
    typeName: 'figme',
    config: { steps: [editPicture] },
    creditsCost: editPicture.cost,
  },
  {
    slug: 'quick-sketch',
    title: 'Quick sketch',
    description: 'Describe a picture, or upload one and say what to make of it; done in seconds.',
    typeName: 'figme',
    config: { steps: [sketchPicture] },
    creditsCost: sketchPicture.cost,
  },
  {
    slug: 'crystal-memory',
    title: 'Crystal memory',
    description: 'Upload a picture and walk around the point cloud that it becomes.',
    typeName: 'crystal-memory',
    config: { steps: [buildPointCloud] },
    creditsCost: buildPointCloud.cost,
  },
]

export interface ToolsOptions {
  /** Tools of other providers are left out: a person could order them, but nothing would run. */
  readonly usableProviders: ReadonlySet<string>
  /** Puts back what an operator has changed since. */
  readonly isReplacing: boolean
}

/** Creates the tools that are not there; those that are belong to the operators. */
export async function plantTools(
  database: Database,
  { usableProviders, isReplacing }: ToolsOptions,
): Promise<void> {
  for (const type of types) await saveToolType(database, type)
  for (const tool of tools) {
    const canRun = tool.config.steps.every(step => usableProviders.has(step.providerId))
    if (!canRun) continue
    const isThere = (await findTool(database, tool.slug)) !== undefined
    if (!isThere || isReplacing) await saveTool(database, { ...tool, isActive: true })
  }
}
